#include "policy_code/structure.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include "policy_code/codes.h"
#include "policy_code/deep_stack.h"
#include "policy_code/sql_script.h"
#include "policy_code/structure_builder.h"

// Trees come as messages of protobuf-c, whose functions are in the library: names are bytes
// as they are and fields have types, where the library's JSON would be read by keys.

namespace wal2lake
{
namespace
{

using Nodes = std::span<PgQuery__Node* const>;

// Parser and messages recurse into an expression, some 2 kB for each of its bytes at worst. What
// a server accepts (max_stack_depth) is far less deep; a longer statement is not read.
constexpr size_t kLongestStatement = size_t{1} << 20;
constexpr size_t kStackForAByte = 8192;
constexpr size_t kStack = size_t{16} << 20;

struct FreeTree {
    void operator()(PgQuery__ParseResult* tree) const
    {
        pg_query__parse_result__free_unpacked(tree, nullptr);
    }
};

struct Parsed {
    std::unique_ptr<PgQuery__ParseResult, FreeTree> tree;
    // Where the parser gave up, in bytes, and what it said.
    std::string error;
    size_t error_at = 0;

    const PgQuery__Node* statement() const
    {
        return tree == nullptr || tree->n_stmts == 0 ? nullptr : tree->stmts[0]->stmt;
    }

    // That of a CREATE TABLE that has a single one.
    const PgQuery__Node* element() const
    {
        const PgQuery__Node* node = statement();
        const bool is_one = node != nullptr && node->node_case == PG_QUERY__NODE__NODE_CREATE_STMT &&
                            node->create_stmt->n_table_elts == 1;
        return is_one ? node->create_stmt->table_elts[0] : nullptr;
    }
};

Parsed Parse(const std::string& statement)
{
    PgQueryProtobufParseResult result = pg_query_parse_protobuf(statement.c_str());
    Parsed parsed;
    if (result.error != nullptr) {
        parsed.error = result.error->message;
        parsed.error_at =
            OffsetOfCharacter(statement, static_cast<size_t>(std::max(result.error->cursorpos, 0)));
    } else {
        parsed.tree.reset(pg_query__parse_result__unpack(
            nullptr, result.parse_tree.len, reinterpret_cast<const uint8_t*>(result.parse_tree.data)));
        if (parsed.tree == nullptr)
            parsed.error = "its parse tree is too deep";
    }
    pg_query_free_protobuf_parse_result(result);
    return parsed;
}

std::vector<std::string> Texts(Nodes nodes)
{
    std::vector<std::string> texts;
    for (const PgQuery__Node* node : nodes)
        if (node->node_case == PG_QUERY__NODE__NODE_STRING)
            texts.emplace_back(node->string->sval);
    return texts;
}

// Of a type: numbers, and words such as those of geometry(Point,4326).
std::vector<std::string> ModifiersOf(Nodes nodes)
{
    std::vector<std::string> modifiers;
    for (const PgQuery__Node* node : nodes) {
        if (node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
            node->a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL)
            modifiers.push_back(std::to_string(node->a_const->ival->ival));
        else if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF)
            for (std::string& word : Texts({node->column_ref->fields, node->column_ref->n_fields}))
                modifiers.push_back(std::move(word));
    }
    return modifiers;
}

template <typename T>
T ReadAt(const void* message, size_t offset)
{
    T value;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): where T is a pointer, that is what is read
    std::memcpy(&value, static_cast<const char*>(message) + offset, sizeof(T));
    return value;
}

// Names of the columns that an expression reads. Goes by the descriptions of the messages,
// so that no kind of expression is forgotten.
void CollectColumns(const ProtobufCMessage* message, std::vector<std::string>* columns)
{
    if (message == nullptr)
        return;
    if (message->descriptor == &pg_query__column_ref__descriptor) {
        const auto* column = reinterpret_cast<const PgQuery__ColumnRef*>(message);
        const std::vector<std::string> names = Texts({column->fields, column->n_fields});
        if (!names.empty() && std::find(columns->begin(), columns->end(), names.back()) == columns->end())
            columns->push_back(names.back());
        return;
    }
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor& field = message->descriptor->fields[i];
        if (field.type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field.label == PROTOBUF_C_LABEL_REPEATED) {
            const auto count = ReadAt<size_t>(message, field.quantifier_offset);
            const auto children = ReadAt<ProtobufCMessage**>(message, field.offset);
            for (size_t child = 0; child < count; child++)
                CollectColumns(children[child], columns);
        } else if ((field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
                   ReadAt<uint32_t>(message, field.quantifier_offset) == field.id) {
            CollectColumns(ReadAt<ProtobufCMessage*>(message, field.offset), columns);
        }
    }
}

class StructureReader
{
  public:
    StructureReader(std::string file, const std::string& text, std::vector<PolicyFinding>* findings)
        : file_(std::move(file)), text_(text), lines_(text), findings_(findings)
    {
    }

    Schema Read(const std::vector<SqlStatement>& statements, const std::optional<OpenEnd>& open);

  private:
    void Complain(PolicySeverity severity, size_t offset, const std::string& object, std::string text,
                  std::string fix);
    void ComplainOfSyntax(PolicySeverity severity, size_t offset, const std::string& object,
                          const Parsed& parsed);
    void ReadStatement(const SqlStatement& statement);
    void ReadTree(const PgQuery__Node& node, size_t offset);
    void ReadOtherTree(const PgQuery__Node& node, size_t offset);
    void ReadSchema(const PgQuery__CreateSchemaStmt& create, size_t offset);
    void ReadViewName(const SqlStatement& statement);
    void ReadCreateInParts(const SqlStatement& statement, const Parsed& whole);
    bool ReadElement(std::string_view element, BuiltTable* table);
    BuiltTable* ReadCreate(const PgQuery__CreateStmt& create, size_t offset);
    void ReadElementTree(const PgQuery__Node& node, size_t origin, BuiltTable* table);
    void ReadColumn(const PgQuery__ColumnDef& definition, size_t origin, BuiltTable* table);
    void ReadConstraint(const PgQuery__Constraint& constraint, const std::string& column, BuiltTable* table);
    void ReadLike(const PgQuery__TableLikeClause& like, size_t origin, BuiltTable* table);
    void ReadAlterTable(const PgQuery__AlterTableStmt& alter, size_t offset);
    void ReadCommand(const PgQuery__AlterTableCmd& command, size_t offset, BuiltTable* table);
    void ReadUniqueIndex(const PgQuery__IndexStmt& index);
    void ReadRename(const PgQuery__RenameStmt& rename);
    void ReadDrop(const PgQuery__DropStmt& drop);
    void ReadTableAs(const PgQuery__CreateTableAsStmt& create, size_t offset);
    void ReadSearchPath(const PgQuery__VariableSetStmt& set);
    void ReadLabel(const PgQuery__SecLabelStmt& label, size_t offset);
    SchemaType TypeOf(const PgQuery__TypeName* type) const;
    SqlName NameOf(const PgQuery__RangeVar& relation) const;
    SqlName NewName(const PgQuery__RangeVar& relation) const;
    SqlName NewName(const std::vector<std::string>& parts) const;

    std::string file_;
    const std::string& text_;
    LineIndex lines_;
    std::vector<PolicyFinding>* findings_;
    StructureBuilder builder_;
    bool has_labels_ = false;
};

void StructureReader::Complain(PolicySeverity severity, size_t offset, const std::string& object,
                               std::string text, std::string fix)
{
    findings_->push_back(MakeFinding("structure-unreadable", Place{file_, lines_.LineOf(offset)}, object,
                                     std::move(text), std::move(fix)));
    findings_->back().severity = severity;
}

// `offset` is where what was parsed begins in the file.
void StructureReader::ComplainOfSyntax(PolicySeverity severity, size_t offset, const std::string& object,
                                       const Parsed& parsed)
{
    Complain(severity, offset + parsed.error_at, object,
             "the grammar of PostgreSQL " PG_MAJORVERSION " does not know this (" + parsed.error +
                 "), so it was not read",
             "leave it out of the file that is checked if it says nothing of columns, their types or keys; "
             "otherwise have the database compared instead of the file");
}

SqlName StructureReader::NameOf(const PgQuery__RangeVar& relation) const
{
    return builder_.TableName(relation.schemaname, relation.relname);
}

SqlName StructureReader::NewName(const PgQuery__RangeVar& relation) const
{
    if (std::strcmp(relation.relpersistence, "t") == 0)
        return {kTemporarySchema, relation.relname};
    return builder_.NewName(relation.schemaname, relation.relname);
}

SqlName StructureReader::NewName(const std::vector<std::string>& parts) const
{
    return builder_.NewName(parts.size() > 1 ? parts[parts.size() - 2] : "",
                            parts.empty() ? "" : parts.back());
}

SchemaType StructureReader::TypeOf(const PgQuery__TypeName* type) const
{
    if (type == nullptr)
        return builder_.TypeOf({}, {}, false);
    return builder_.TypeOf(Texts({type->names, type->n_names}), ModifiersOf({type->typmods, type->n_typmods}),
                           type->n_array_bounds > 0);
}

Schema StructureReader::Read(const std::vector<SqlStatement>& statements, const std::optional<OpenEnd>& open)
{
    for (const SqlStatement& statement : statements)
        if (!statement.is_open)
            ReadStatement(statement);
    if (open)
        Complain(PolicySeverity::kError, open->offset, "",
                 "a " + std::string(open->what) +
                     " begins here that never ends, so it was not read, nor what follows it",
                 "take the dump again, or end it where it should");
    return builder_.Build(file_, findings_);
}

void StructureReader::ReadStatement(const SqlStatement& statement)
{
    const SqlKind kind = KindOf(statement.text);
    if (kind == SqlKind::kNone)
        return;
    if (statement.text.size() > kLongestStatement) {
        Complain(PolicySeverity::kError, statement.offset, "",
                 "a statement of more than " + std::to_string(kLongestStatement) + " bytes is not read",
                 "have the database compared instead of the file");
        return;
    }
    const Parsed parsed = Parse(std::string(statement.text));
    if (const PgQuery__Node* node = parsed.statement(); node != nullptr)
        ReadTree(*node, statement.offset);
    else if (kind == SqlKind::kCreateTable)
        ReadCreateInParts(statement, parsed);
    else if (kind == SqlKind::kCreateView)
        ReadViewName(statement);
    // An index that is a replica identity is missed where that is said.
    else if (kind != SqlKind::kUniqueIndex)
        ComplainOfSyntax(kind == SqlKind::kCreateSchema ? PolicySeverity::kError : PolicySeverity::kWarning,
                         statement.offset, "", parsed);
}

// Of a view the name is enough, whatever is new in its query.
void StructureReader::ReadViewName(const SqlStatement& statement)
{
    for (const std::string_view as : {" AS\n", " AS "}) {
        const size_t end = std::min(statement.text.find(as), statement.text.size());
        const Parsed parsed = Parse(std::string(statement.text.substr(0, end)) + " AS SELECT 1");
        if (parsed.statement() != nullptr) {
            ReadTree(*parsed.statement(), statement.offset);
            return;
        }
    }
}

void StructureReader::ReadTree(const PgQuery__Node& node, size_t offset)
{
    switch (node.node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        ReadCreate(*node.create_stmt, offset);
        break;
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
        ReadAlterTable(*node.alter_table_stmt, offset);
        break;
    case PG_QUERY__NODE__NODE_INDEX_STMT:
        ReadUniqueIndex(*node.index_stmt);
        break;
    case PG_QUERY__NODE__NODE_RENAME_STMT:
        ReadRename(*node.rename_stmt);
        break;
    case PG_QUERY__NODE__NODE_DROP_STMT:
        ReadDrop(*node.drop_stmt);
        break;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        ReadTableAs(*node.create_table_as_stmt, offset);
        break;
    default:
        ReadOtherTree(node, offset);
    }
}

void StructureReader::ReadOtherTree(const PgQuery__Node& node, size_t offset)
{
    switch (node.node_case) {
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
        builder_.AddEnum(
            NewName(Texts({node.create_enum_stmt->type_name, node.create_enum_stmt->n_type_name})));
        break;
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
        builder_.AddDomain(
            NewName(Texts({node.create_domain_stmt->domainname, node.create_domain_stmt->n_domainname})),
            TypeOf(node.create_domain_stmt->type_name));
        break;
    case PG_QUERY__NODE__NODE_VIEW_STMT:
        builder_.AddView(NewName(*node.view_stmt->view));
        break;
    case PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT:
        builder_.AddView(NewName(*node.create_foreign_table_stmt->base_stmt->relation));
        break;
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
        ReadSchema(*node.create_schema_stmt, offset);
        break;
    case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT:
        if (const auto& alter = *node.alter_object_schema_stmt;
            alter.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE)
            builder_.RenameTable(NameOf(*alter.relation), {alter.newschema, alter.relation->relname});
        break;
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        ReadSearchPath(*node.variable_set_stmt);
        break;
    case PG_QUERY__NODE__NODE_SEC_LABEL_STMT:
        ReadLabel(*node.sec_label_stmt, offset);
        break;
    default:
        break;
    }
}

// What is created along with a schema is in it, and is put in order by the server: tables are first.
void StructureReader::ReadSchema(const PgQuery__CreateSchemaStmt& create, size_t offset)
{
    const Nodes elements(create.schema_elts, create.n_schema_elts);
    std::string name = create.schemaname;
    if (name.empty() && create.authrole != nullptr)
        name = create.authrole->rolename;
    if (name.empty() && !elements.empty()) {
        Complain(PolicySeverity::kError, offset, "",
                 "the schema has the name of whoever creates it, so its tables are not known",
                 "write the schema's name, as pg_dump does");
        return;
    }
    const std::vector<std::string> path = builder_.search_path();
    builder_.SearchFirst(name);
    for (const PgQuery__Node* node : elements)
        if (node->node_case == PG_QUERY__NODE__NODE_CREATE_STMT) {
            const auto at = static_cast<size_t>(std::max(node->create_stmt->relation->location, 0));
            if (BuiltTable* table = ReadCreate(*node->create_stmt, offset))
                table->table.line = lines_.LineOf(offset + at);
        }
    for (const PgQuery__Node* node : elements)
        if (node->node_case != PG_QUERY__NODE__NODE_CREATE_STMT)
            ReadTree(*node, offset);
    builder_.SetSearchPath(path);
}

// Whatever is new in a table, the rest of it is read: element by element.
void StructureReader::ReadCreateInParts(const SqlStatement& statement, const Parsed& whole)
{
    const std::vector<std::string_view> elements = SplitElements(statement.text);
    if (!elements.empty()) {
        const auto [before, behind] = AroundElements(statement.text, elements);
        const std::string head = std::string(before) + "()";
        Parsed shell = Parse(head + std::string(behind));
        if (shell.statement() == nullptr)
            shell = Parse(head);
        if (shell.statement() != nullptr &&
            shell.statement()->node_case == PG_QUERY__NODE__NODE_CREATE_STMT) {
            BuiltTable* table = ReadCreate(*shell.statement()->create_stmt, statement.offset);
            bool found = table == nullptr;
            for (const std::string_view element : elements)
                if (table != nullptr)
                    found = ReadElement(element, table) || found;
            // What is wrong is behind the list.
            if (!found)
                ComplainOfSyntax(PolicySeverity::kWarning, statement.offset,
                                 ObjectName(table->table.schema, table->table.name), whole);
            return;
        }
    }
    ComplainOfSyntax(PolicySeverity::kError, statement.offset, "", whole);
}

// What a column is generated from; nullptr where it is not.
const PgQuery__Node* GeneratedFrom(const PgQuery__ColumnDef& definition)
{
    for (const PgQuery__Node* node : Nodes(definition.constraints, definition.n_constraints))
        if (node->node_case == PG_QUERY__NODE__NODE_CONSTRAINT &&
            node->constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED)
            return node->constraint->raw_expr;
    return nullptr;
}

// Of an element that is not understood, as much as is: a column has its name and type first. True where it is
// what keeps the table from being read as a whole.
bool StructureReader::ReadElement(std::string_view element, BuiltTable* table)
{
    const std::string head = "CREATE TABLE t (";
    const auto offset = static_cast<size_t>(element.data() - text_.data());
    Parsed whole = Parse(head + std::string(element) + ")");
    whole.error_at = std::min(whole.error_at - std::min(whole.error_at, head.size()), element.size());
    for (const size_t length : CutsOf(element)) {
        const Parsed parsed = Parse(head + std::string(element.substr(0, length)) + ")");
        if (const PgQuery__Node* node = parsed.element()) {
            ReadElementTree(*node, offset - head.size(), table);
            break;
        }
        // A generated column of PostgreSQL 18 that is not stored: computed when it is read, so never sent.
        const Parsed stored = Parse(head + AsStored(element, length) + ")");
        if (const PgQuery__Node* node = stored.element();
            node != nullptr && node->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF &&
            GeneratedFrom(*node->column_def) != nullptr)
            return true;
    }
    if (!whole.error.empty())
        ComplainOfSyntax(PolicySeverity::kWarning, offset, ObjectName(table->table.schema, table->table.name),
                         whole);
    return !whole.error.empty();
}

BuiltTable* StructureReader::ReadCreate(const PgQuery__CreateStmt& create, size_t offset)
{
    const SqlName name = NewName(*create.relation);
    BuiltTable* table = builder_.AddTable(name, lines_.LineOf(offset));
    if (table == nullptr)
        return nullptr;
    table->table.is_partition = create.partbound != nullptr;
    table->table.is_partitioned = create.partspec != nullptr;
    for (const PgQuery__Node* parent : Nodes(create.inh_relations, create.n_inh_relations)) {
        if (parent->node_case != PG_QUERY__NODE__NODE_RANGE_VAR)
            continue;
        table->parents.push_back(NameOf(*parent->range_var));
        if (!builder_.CopyColumns(table->parents.back(), true, table) && !table->table.is_partition)
            Complain(PolicySeverity::kWarning, offset, ObjectName(name.schema, name.name),
                     "the table that it inherits from is not in the file",
                     "put the parent's CREATE TABLE before it, as pg_dump does");
    }
    if (create.of_typename != nullptr)
        Complain(PolicySeverity::kWarning, offset, ObjectName(name.schema, name.name),
                 "a table OF a type does not say its columns",
                 "have the database compared instead of the file");
    for (const PgQuery__Node* element : Nodes(create.table_elts, create.n_table_elts))
        ReadElementTree(*element, offset, table);
    return table;
}

// `origin`: where in the file the byte would be that the locations in the tree count from.
void StructureReader::ReadElementTree(const PgQuery__Node& node, size_t origin, BuiltTable* table)
{
    switch (node.node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_DEF:
        ReadColumn(*node.column_def, origin, table);
        break;
    case PG_QUERY__NODE__NODE_CONSTRAINT:
        ReadConstraint(*node.constraint, "", table);
        break;
    case PG_QUERY__NODE__NODE_TABLE_LIKE_CLAUSE:
        ReadLike(*node.table_like_clause, origin, table);
        break;
    default:
        break;
    }
}

void StructureReader::ReadColumn(const PgQuery__ColumnDef& definition, size_t origin, BuiltTable* table)
{
    SchemaColumn column;
    column.name = definition.colname;
    // A partition need not repeat it.
    const SchemaColumn* inherited = definition.type_name == nullptr ? table->Find(column.name) : nullptr;
    column.type = inherited != nullptr ? inherited->type : TypeOf(definition.type_name);
    column.line = lines_.LineOf(origin + static_cast<size_t>(std::max(definition.location, 0)));
    if (const PgQuery__Node* from = GeneratedFrom(definition))
        CollectColumns(&from->base, &column.generated_from);
    table->Add(std::move(column));
    for (const PgQuery__Node* node : Nodes(definition.constraints, definition.n_constraints))
        if (node->node_case == PG_QUERY__NODE__NODE_CONSTRAINT)
            ReadConstraint(*node->constraint, definition.colname, table);
}

// `column` is the one that an inline constraint stands behind.
void StructureReader::ReadConstraint(const PgQuery__Constraint& constraint, const std::string& column,
                                     BuiltTable* table)
{
    const auto columns = [&](Nodes named) {
        return column.empty() ? Texts(named) : std::vector<std::string>{column};
    };
    const std::string name = constraint.conname;
    if (constraint.contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY) {
        table->primary_constraint = name;
        table->primary_key = columns({constraint.keys, constraint.n_keys});
        table->primary_index = constraint.indexname;
    } else if (constraint.contype == PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE) {
        table->AddUnique(name, columns({constraint.keys, constraint.n_keys}));
    } else if (constraint.contype == PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN && constraint.pktable != nullptr) {
        table->foreign_keys.push_back({name, columns({constraint.fk_attrs, constraint.n_fk_attrs}),
                                       NameOf(*constraint.pktable),
                                       Texts({constraint.pk_attrs, constraint.n_pk_attrs})});
    }
}

void StructureReader::ReadLike(const PgQuery__TableLikeClause& like, size_t origin, BuiltTable* table)
{
    // The parser's bits, from its parsenodes.h.
    constexpr uint32_t kGenerated = 1U << 4U;
    constexpr uint32_t kIndexes = 1U << 6U;
    const SqlName name = NameOf(*like.relation);
    if (!builder_.CopyColumns(name, (like.options & kGenerated) != 0, table))
        Complain(PolicySeverity::kWarning, origin + static_cast<size_t>(std::max(like.relation->location, 0)),
                 ObjectName(table->table.schema, table->table.name),
                 "the table that it is made LIKE is not in the file",
                 "put that table's CREATE TABLE before it, or write the columns out, as pg_dump does");
    else if ((like.options & kIndexes) != 0 && table->primary_key.empty())
        table->primary_key = builder_.FindTable(name)->primary_key;
}

void StructureReader::ReadAlterTable(const PgQuery__AlterTableStmt& alter, size_t offset)
{
    BuiltTable* table = builder_.FindTable(NameOf(*alter.relation));
    if (table == nullptr)
        return;
    for (const PgQuery__Node* command : Nodes(alter.cmds, alter.n_cmds))
        if (command->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD)
            ReadCommand(*command->alter_table_cmd, offset, table);
}

void StructureReader::ReadCommand(const PgQuery__AlterTableCmd& command, size_t offset, BuiltTable* table)
{
    const PgQuery__Node* def = command.def;
    const auto is = [&](PgQuery__Node__NodeCase node_case) {
        return def != nullptr && def->node_case == node_case;
    };
    switch (command.subtype) {
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
        // One that is there stays as it is: IF NOT EXISTS, or the server refuses it.
        if (is(PG_QUERY__NODE__NODE_COLUMN_DEF) && table->Find(def->column_def->colname) == nullptr) {
            ReadColumn(*def->column_def, offset, table);
            builder_.PassToHeirs(table->name(), def->column_def->colname);
        }
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
        table->Drop(command.name);
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
        if (SchemaColumn* column = table->Find(command.name); column && is(PG_QUERY__NODE__NODE_COLUMN_DEF)) {
            column->type = TypeOf(def->column_def->type_name);
            builder_.PassToHeirs(table->name(), command.name);
        }
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
        if (is(PG_QUERY__NODE__NODE_CONSTRAINT))
            ReadConstraint(*def->constraint, "", table);
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint:
        table->DropConstraint(command.name);
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartition:
        if (is(PG_QUERY__NODE__NODE_PARTITION_CMD))
            builder_.SetPartition(NameOf(*def->partition_cmd->name), table->name(),
                                  command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition);
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropInherit:
        if (is(PG_QUERY__NODE__NODE_RANGE_VAR))
            table->SetParent(NameOf(*def->range_var),
                             command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit);
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ReplicaIdentity:
        if (is(PG_QUERY__NODE__NODE_REPLICA_IDENTITY_STMT)) {
            table->identity_index = def->replica_identity_stmt->name;
            table->identity_line = lines_.LineOf(offset);
        }
        break;
    default:
        break;
    }
}

void StructureReader::ReadUniqueIndex(const PgQuery__IndexStmt& index)
{
    BuiltTable* table = builder_.FindTable(NameOf(*index.relation));
    if (table == nullptr)
        return;
    std::vector<std::string> columns;
    for (const PgQuery__Node* node : Nodes(index.index_params, index.n_index_params))
        if (node->node_case == PG_QUERY__NODE__NODE_INDEX_ELEM && node->index_elem->name[0] != '\0')
            columns.emplace_back(node->index_elem->name);
    table->unique[index.idxname] = std::move(columns);
}

void StructureReader::ReadRename(const PgQuery__RenameStmt& rename)
{
    if (rename.relation == nullptr)
        return;
    const SqlName name = NameOf(*rename.relation);
    if (rename.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE)
        builder_.RenameTable(name, {name.schema, rename.newname});
    else if (rename.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN)
        builder_.RenameColumn(name, rename.subname, rename.newname);
}

void StructureReader::ReadDrop(const PgQuery__DropStmt& drop)
{
    for (const PgQuery__Node* object : Nodes(drop.objects, drop.n_objects)) {
        if (object->node_case != PG_QUERY__NODE__NODE_LIST)
            continue;
        const std::vector<std::string> parts = Texts({object->list->items, object->list->n_items});
        if (parts.empty())
            continue;
        const SqlName name =
            builder_.TableName(parts.size() > 1 ? parts[parts.size() - 2] : "", parts.back());
        if (drop.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE)
            builder_.DropTable(name);
        else
            builder_.DropView(name);
    }
}

void StructureReader::ReadTableAs(const PgQuery__CreateTableAsStmt& create, size_t offset)
{
    const PgQuery__RangeVar* relation = create.into == nullptr ? nullptr : create.into->rel;
    if (relation == nullptr)
        return;
    const SqlName name = NewName(*relation);
    if (name.schema == kTemporarySchema || create.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW)
        builder_.AddView(name);
    else
        Complain(PolicySeverity::kError, offset, ObjectName(name.schema, name.name),
                 "a table made AS a query does not say its columns",
                 "write the columns out, as pg_dump does");
}

void StructureReader::ReadSearchPath(const PgQuery__VariableSetStmt& set)
{
    if (std::strcmp(set.name, "search_path") != 0)
        return;
    std::vector<std::string> schemas;
    for (const PgQuery__Node* node : Nodes(set.args, set.n_args))
        if (node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
            node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL)
            schemas.emplace_back(node->a_const->sval->sval);
    builder_.SetSearchPath(std::move(schemas));
}

void StructureReader::ReadLabel(const PgQuery__SecLabelStmt& label, size_t offset)
{
    if (has_labels_ || std::strcmp(label.provider, "wal2lake") != 0)
        return;
    has_labels_ = true;
    findings_->push_back(MakeFinding(
        "labels-in-structure", Place{file_, lines_.LineOf(offset)}, "",
        "the file sets labels of wal2lake, which are not looked at here",
        "keep labels in the policy alone: pg_dump --no-security-labels leaves them out, and then the "
        "file loads where wal2lake_policy is not preloaded"));
}

} // namespace

Schema ParseStructure(const std::string& file, const std::string& text, std::vector<PolicyFinding>* findings)
{
    if (const std::optional<size_t> at = NoTextAt(text)) {
        findings->push_back(MakeFinding("structure-unreadable", Place{file, LineIndex(text).LineOf(*at)}, "",
                                        "the file is not text in UTF-8, so nothing of it was read",
                                        "write it with pg_dump --encoding=UTF8 --file=FILE: PowerShell's > "
                                        "makes UTF-16 of it"));
        return {};
    }
    std::optional<OpenEnd> open;
    const std::vector<SqlStatement> statements = SplitScript(text, &open);
    size_t longest = 0;
    for (const SqlStatement& statement : statements)
        longest = std::max(longest, std::min(statement.text.size(), kLongestStatement));
    Schema schema;
    if (!CallOnStack(kStack + longest * kStackForAByte,
                     [&] { schema = StructureReader(file, text, findings).Read(statements, open); }))
        findings->push_back(MakeFinding("structure-unreadable", Place{file, 1}, "",
                                        "the system gives no stack to read it on",
                                        "raise the limits of address space and processes (ulimit -v, -u)"));
    return schema;
}

} // namespace wal2lake
