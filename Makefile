# The plugin is built by PGXS here; the command and the unit tests by CMake,
# driven from here. `make help` lists the targets.

EXTENSION = sql/wal2lake
DATA = sql/wal2lake--0.1.0.sql
MODULE_big = wal2lake

SERVER_OBJS = \
	plugin/server/batch.o \
	plugin/server/callbacks.o \
	plugin/server/key_ring.o \
	plugin/server/label_catalog.o \
	plugin/server/module.o \
	plugin/server/options.o \
	plugin/server/output_text.o \
	plugin/server/policy_cache.o \
	plugin/server/sql_functions.o \
	plugin/server/tuple_reader.o
CORE_OBJS = \
	plugin/core/frame_reader.o \
	plugin/core/frame_text.o \
	plugin/core/key_file.o \
	plugin/core/label.o \
	plugin/core/policy.o \
	plugin/core/record.o \
	plugin/core/token.o \
	plugin/core/types.o
OBJS = $(SERVER_OBJS) $(CORE_OBJS)

# The policy library is loaded into every backend, so it has no C++ runtime: the
# core files in it are compiled once more without exceptions.
POLICY_CORE_OBJS = \
	plugin/policy/core_key_file.o \
	plugin/policy/core_label.o \
	plugin/policy/core_policy.o \
	plugin/policy/core_types.o
POLICY_OBJS = plugin/policy/policy.o $(POLICY_CORE_OBJS)
EXTRA_CLEAN = wal2lake_policy.so $(POLICY_OBJS)

# Symbols are hidden unless the server must find them. Before PostgreSQL 16
# PGDLLEXPORT is empty, which would hide the magic block too.
HARDEN = -fvisibility=hidden -fstack-clash-protection -fcf-protection
PG_CPPFLAGS = -I$(srcdir)/plugin '-DPGDLLEXPORT=__attribute__((visibility("default")))'
PG_CFLAGS = $(HARDEN) -std=gnu11 -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
PG_CXXFLAGS = $(HARDEN) -fvisibility-inlines-hidden -std=c++20 -Wall -Wextra -Wshadow -D_GLIBCXX_ASSERTIONS
SHLIB_LINK = -lstdc++ -lcrypto -Wl,-z,noexecstack -Wl,--version-script=$(srcdir)/plugin/server/exports.map
ifdef WERROR
PG_CFLAGS += -Werror
PG_CXXFLAGS += -Werror
endif

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(PGXS),)
# Nothing can be inlined out of an output plugin, and bitcode needs clang.
override with_llvm = no
include $(PGXS)
endif

# core/ sees no server header: not by an include path, not by accident. xxHash is
# compiled in, so that the server needs no further library.
$(CORE_OBJS) $(POLICY_CORE_OBJS): override CPPFLAGS := -I$(srcdir)/plugin -D_FORTIFY_SOURCE=2 -DXXH_INLINE_ALL
$(POLICY_CORE_OBJS): override CXXFLAGS += -fno-exceptions -fno-rtti
plugin/policy/core_%.o: plugin/core/%.cpp
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -c -o $@ $<

# Headers are few: any change of one rebuilds all.
$(OBJS) $(POLICY_OBJS): $(wildcard plugin/*/*.h)

all: wal2lake_policy.so
wal2lake_policy.so: $(POLICY_OBJS)
	$(CC) $(CFLAGS) -shared -o $@ $(POLICY_OBJS) $(LDFLAGS) -Wl,-z,noexecstack \
		-Wl,--version-script=$(srcdir)/plugin/policy/exports.map

install: install-policy
install-policy: wal2lake_policy.so
	$(MKDIR_P) '$(DESTDIR)$(pkglibdir)'
	$(INSTALL_SHLIB) wal2lake_policy.so '$(DESTDIR)$(pkglibdir)/'

uninstall: uninstall-policy
uninstall-policy:
	rm -f '$(DESTDIR)$(pkglibdir)/wal2lake_policy.so'
