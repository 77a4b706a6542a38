// What S3 is called by whom. Google's XML API is S3 under other names: the driver is
// one, and asks here for the words.
#pragma once

#include <cstdint>
#include <string_view>

#include "store/sigv4.h"

namespace wal2lake
{

struct S3Dialect {
    // How its URLs begin, and what people call it.
    std::string_view url;
    std::string_view name;
    SigningDialect signing;
    std::string_view signing_service;
    // The header of a put that must not replace anything.
    std::string_view absent_header;
    std::string_view absent_value;
    // Headers that ask for encryption with a key; empty where there is none.
    std::string_view encryption_header;
    std::string_view kms_key_header;
    // What its users are allowed.
    const char* may_create;
    const char* may_replace;
    const char* may_read;
    const char* may_delete;
    const char* may_list;
    const char* may_see_lifecycle;
    // Bytes of one put.
    uint64_t largest_put;
};

inline constexpr S3Dialect kAmazonS3{
    .url = "s3://",
    .name = "S3",
    .signing = kAmazonSigning,
    .signing_service = "s3",
    .absent_header = "if-none-match",
    .absent_value = "*",
    .encryption_header = "x-amz-server-side-encryption",
    .kms_key_header = "x-amz-server-side-encryption-aws-kms-key-id",
    .may_create = "s3:PutObject",
    .may_replace = "s3:PutObject",
    .may_read = "s3:GetObject",
    .may_delete = "s3:DeleteObject",
    .may_list = "s3:ListBucket",
    .may_see_lifecycle = "s3:GetLifecycleConfiguration",
    .largest_put = uint64_t{5} << 30,
};

// With If-None-Match Google answers to reads alone; a generation of 0 is "no object".
inline constexpr S3Dialect kGoogleStorage{
    .url = "gs://",
    .name = "Google Cloud Storage",
    .signing = kGoogleSigning,
    .signing_service = "storage",
    .absent_header = "x-goog-if-generation-match",
    .absent_value = "0",
    .encryption_header = "",
    .kms_key_header = "x-goog-encryption-kms-key-name",
    .may_create = "storage.objects.create",
    .may_replace = "storage.objects.create and storage.objects.delete",
    .may_read = "storage.objects.get",
    .may_delete = "storage.objects.delete",
    .may_list = "storage.objects.list",
    .may_see_lifecycle = "storage.buckets.get",
    .largest_put = uint64_t{5} << 40,
};

} // namespace wal2lake
