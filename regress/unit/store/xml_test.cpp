#include "store/xml.h"

#include <string>

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

TEST(Xml, FindsTheFirstElementOfAPath)
{
    const auto root = ParseXml(R"(<?xml version="1.0" encoding="UTF-8"?>
<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>InvalidIdentityToken</Code></Error>
  <Error><Code>Second</Code></Error>
</ErrorResponse>)");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->name, "ErrorResponse");
    EXPECT_EQ(root->Text("Error/Code"), "InvalidIdentityToken");
    EXPECT_EQ(root->Text("Error/Message"), "");
    EXPECT_EQ(root->Find("Error/Message"), nullptr);
    EXPECT_EQ(root->Find("Code"), nullptr);
    EXPECT_EQ(root->children.size(), 2U);
}

TEST(Xml, PassesOverPrefixesOfNamespaces)
{
    const auto root = ParseXml(R"(<s3:Error xmlns:s3="urn:x"><s3:Code>SlowDown</s3:Code></s3:Error>)");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->name, "Error");
    EXPECT_EQ(root->Text("Code"), "SlowDown");
}

TEST(Xml, KeepsKeysAsTheyAre)
{
    const auto root = ParseXml("<R><Key>a &amp; b &lt;&#x41;&#13;\xc3\xa9</Key><Key>  </Key><Key/>"
                               "<Key><![CDATA[<raw>&amp;]]></Key><Key> x </Key></R>");
    ASSERT_TRUE(root);
    ASSERT_EQ(root->children.size(), 5U);
    EXPECT_EQ(root->children[0].text, "a & b <A\r\xc3\xa9");
    EXPECT_EQ(root->children[1].text, "  ");
    EXPECT_EQ(root->children[2].text, "");
    EXPECT_EQ(root->children[3].text, "<raw>&amp;");
    EXPECT_EQ(root->children[4].text, " x ");
}

TEST(Xml, RefusesWhatIsNoWholeDocument)
{
    for (const char* text : {"", " ", "no xml", "<Error><Code>SlowDown</Code>",
                             "<Error><Code></Error></Code>", "{\"Error\": 1}", "<Error"})
        EXPECT_FALSE(ParseXml(text)) << text;
}

TEST(Xml, ExpandsNoEntityOfTheDocumentsOwn)
{
    const auto root = ParseXml(
        R"(<!DOCTYPE r [<!ENTITY e "boom"><!ENTITY f SYSTEM "file:///etc/passwd">]><r><a>&e;</a><b>&f;</b></r>)");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->Text("a"), "&e;");
    EXPECT_EQ(root->Text("b"), "&f;");
}

std::string Nested(int depth)
{
    std::string text;
    for (int i = 0; i < depth; i++)
        text += "<a>";
    for (int i = 0; i < depth; i++)
        text += "</a>";
    return text;
}

TEST(Xml, RefusesAbsurdDepth)
{
    EXPECT_TRUE(ParseXml(Nested(20)));
    EXPECT_FALSE(ParseXml(Nested(100'000)));
}

TEST(Xml, WritesWhatItReads)
{
    XmlElement root{"r", {}, {}, {{"a", "<\"'&>\n"}, {"b", ""}}};
    root.children.push_back({"empty", {}, {}, {}});
    root.children.push_back({"text", "]]> <&> \n\xc3\xa9", {}, {}});
    const std::string text = WriteXml(root);
    EXPECT_EQ(text.find("<?xml version=\"1.0\"?>\n<r a=\"&lt;&quot;'&amp;"), 0U) << text;
    const auto again = ParseXml(text);
    ASSERT_TRUE(again) << text;
    EXPECT_EQ(again->name, "r");
    ASSERT_EQ(again->children.size(), 2U);
    EXPECT_EQ(again->Text("text"), root.children[1].text);
}

TEST(Xml, WritesNoCharacterThatXmlHasNot)
{
    const std::string odd("\0\x01\x1f\xff\ufffe\uffff\t", 11);
    const std::string text = WriteXml({"r", odd, {}, {{"a", odd}}});
    const std::string shown = "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd";
    EXPECT_NE(text.find("a=\"" + shown), std::string::npos) << text;
    EXPECT_EQ(ParseXml(text)->text, shown + "\t");
}

} // namespace
} // namespace wal2lake
