package scalar_test

import (
	"math"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/kql/column"
)

// The values are those of the documentation of each function, but where a comment says otherwise.

func TestStringFunctions(t *testing.T) {
	check(t, []example{
		ex("strcat", "hello world", "hello", " ", "world"), ex("strcat", "a1true", "a", 1, true), ex("strcat", "a", "a", null(column.Long)),
		ex("strcat_delim", "1-2-A-00:00:01", "-", "1", "2", "A", lasting("1s")), ex("strcat_array", "1->2->3", dyn("[1,2,3]"), "->"),
		ex("strcmp", 0, "ABC", "ABC"), ex("strcmp", 1, "abc", "ABC"), ex("strcmp", -1, "ABC", "abc"), ex("strcmp", 1, "abcde", "abc"),
		ex("strrep", "ABCABC", "ABC", 2), ex("strrep", "123.123.123", 123, 3, "."), ex("strrep", "00:00:03 00:00:03", lasting("3s"), 2, " "),
		ex("strlen", 5, "hello"), ex("strlen", 5, "⒦⒰⒮⒯⒪"), ex("string_size", 5, "hello"), ex("string_size", 15, "⒦⒰⒮⒯⒪"),
		ex("toupper", "HELLO", "hello"), ex("tolower", "hello", "Hello"),
		ex("reverse", "ZYX", "XYZ"), ex("reverse", "54321", 12345), ex("reverse", "54.321", 123.45),
		ex("reverse", "Z0000000.00:00:21T51-01-7102", at("2017-10-15 12:00")), ex("reverse", "00:00:30", lasting("3h")),
		ex("substring", "23456", "123456", 1), ex("substring", "34", "123456", 2, 2), ex("substring", "AB", "ABCD", 0, 2), ex("substring", "56", "123456", -2, 2),
		ex("substring", "", "abc", 5), ex("substring", "", "abc", 1, -1), ex("substring", "ö", "höher", 1, 1), ex("substring", "abc", "abc", -9),
		ex("isascii", true, "some string"), ex("isascii", false, "größe"), ex("isutf8", true, "some string"), ex("isutf8", false, "\xff"),
		ex("translate", "xxx", "abc", "x", "abc"), ex("translate", "", "abc", "", "ab"), ex("translate", "kusto", "krasp", "otsku", "spark"),
	})
}

func TestIndexOf(t *testing.T) {
	check(t, []example{
		ex("indexof", 2, "abcdefg", "cde"), ex("indexof", 2, "abcdefg", "cde", 1, 4), ex("indexof", 2, "abcdefg", "cde", 1, 2), // the documentation says -1, the engine 2

		ex("indexof", -1, "abcdefg", "cde", 3, 4), ex("indexof", 2, "abcdefg", "cde", -5), ex("indexof", 4, 1234567, 5, 1, 4),
		ex("indexof", 2, "abcdefg", "cde", 2, -1), ex("indexof", 9, "abcdefgabcdefg", "cde", 1, 10, 2), ex("indexof", -1, "abcdefgabcdefg", "cde", 1, -1, 3),
		ex("indexof", null(column.Long), "abc", "b", 0, -1, 0), ex("indexof", -1, "abcdefg", "cde", 1, 1), ex("indexof", 0, "abc", "a", 0, math.MaxInt64), ex("indexof", 1, "äöü", "ö"), ex("indexof", -1, "abc", "b", 9),
		ex("indexof_regex", 0, "abcabc", "a.c"), ex("indexof_regex", 3, "abcabcdefg", "a.c", 0, 9, 2), ex("indexof_regex", -1, "abcabc", "a.c", 1, -1, 2),
		ex("indexof_regex", -1, "ababaa", "a.a", 0, -1, 2), ex("indexof_regex", null(column.Long), "abcabc", "a|ab", -1),
		ex("has_any_index", 0, "this is an example", dyn(`["this","example"]`)), ex("has_any_index", 1, "this is an example", dyn(`["not","example"]`)),
		ex("has_any_index", -1, "this is an example", dyn(`["not","found"]`)), ex("has_any_index", 1, "Example number 2", dyn(`[1,2,3]`)),
		ex("has_any_index", -1, "this is an example", dyn(`[]`)),
	})
}

func TestSplitting(t *testing.T) {
	check(t, []example{
		ex("split", dyn(`["aa","bb"]`), "aa_bb", "_"), ex("split", dyn(`["bbb"]`), "aaa_bbb_ccc", "_", 1), ex("split", dyn(`[""]`), "", "_"),
		ex("split", dyn(`["a","","b"]`), "a__b", "_"), ex("split", dyn(`["aa","cc"]`), "aabbcc", "bb"), ex("split", dyn(`[]`), "a_b", "_", 5),
		ex("parse_csv", dyn(`["aa","b","cc"]`), "aa,b,cc"), ex("parse_csv", dyn(`["record1","a","b","c"]`), "record1,a,b,c\nrecord2,x,y,z"),
		ex("parse_csv", dyn(`["aa","b,b,b","cc","Escaping quotes: \"Title\"","line1\nline2"]`), "aa,\"b,b,b\",cc,\"Escaping quotes: \"\"Title\"\"\",\"line1\nline2\""),
		ex("parse_csv", dyn(`[""]`), ""),
		ex("parse_command_line", dyn(`["echo","hello world!"]`), `echo "hello world!"`, "windows"),
		ex("parse_command_line", dyn(`["a\\b","c\"d",""]`), `  a\b "c\"d" ""`, "windows"), // the rules of CommandLineToArgvW
		ex("to_utf8", dyn(`[97,252]`), "aü"), ex("make_string", "Kusto", 75, 117, 115, 116, 111), ex("make_string", "Kusto", dyn("[75, 117, 115, 116, 111]")),
	})
}

func TestReplacing(t *testing.T) {
	message := "A magic trick can turn a cat into a dog"
	check(t, []example{
		ex("replace_string", "A magic trick can turn a hamster into a dog", message, "cat", "hamster"), ex("replace_string", "abc", "abc", "", "x"),
		ex("replace_strings", "A magic trick can turn a dog into a pigeon", message, dyn(`["cat","dog"]`), dyn(`["dog","pigeon"]`)),
		ex("replace_strings", "A magic trick can disappear a cat", message, dyn(`["turn"," into a dog"]`), dyn(`["disappear",""]`)),
		ex("replace_strings", "Thwas was an example", "This is an example", dyn(`["is","This"]`), dyn(`["was","This"]`)),
		ex("replace_strings", "This was an example", "This is an example", dyn(`["This","is"]`), dyn(`[12345,"was"]`)),
		ex("replace_regex", "Number was: 1", "Number is 1", `is (\d+)`, `was: \1`), ex("replace_regex", "$1", "a", "a", "$1"),
		ex("replace", "Number was: 1", `is (\d+)`, `was: \1`, "Number is 1"), ex("replace_regex", `a\b`, "a b", " ", `\\`),
		ex("trim", "https://bing.com", "--", "--https://bing.com--"), ex("trim", "Te st1", `[^\w]+`, "-  Te st1// $"),
		ex("trim_start", "bing.com", "https://", "https://bing.com"), ex("trim_end", "https://bing", ".com", "https://bing.com"),
		ex("regex_quote", `\(so\$me\.Te\^xt\)`, "(so$me.Te^xt)"),
	})
}

func TestExtracting(t *testing.T) {
	id := "82b8be2d-dfa7-4bd1-8f63-24ad26d31449"
	check(t, []example{
		ex("extract", "45.6", `x=([0-9.]+)`, 1, "hello x=45.6|wo"), ex("extract", "x=45.6", `x=([0-9.]+)`, 0, "hello x=45.6|wo"), ex("extract", "", "z", 0, "abc"),
		ex("extract", "", "(a)|(b)", 2, "a"), ex("extract", "", "(a)", 9, "a"),
		ex("extract_all", dyn(`["123","567","789"]`), `(\d+)`, "a set of numbers: 123, 567 and 789"), ex("extract_all", null(column.Dynamic), `(x)`, id),
		ex("extract_all", dyn(`[["8","d"],["d","7"],["4","1"],["8","3"],["2","9"]]`), `(\w)(\w+)(\w)`, dyn("[1,3]"), id),
		ex("extract_all", dyn(`["b2","d2"]`), `(?P<letter>\w)(?P<digit>\d)`, dyn(`[0]`), "b2-d2"), ex("extract_all", dyn(`["2","2"]`), `(?P<letter>\w)(?P<digit>\d)`, dyn(`["digit"]`), "b2-d2"),
		ex("countof", 3, "aaa", "a"), ex("countof", 3, "aaaa", "aa"), ex("countof", 2, "ababa", "aba"), ex("countof", 1, "ababa", "aba", "regex"),
		ex("countof", 2, "abcabc", "a.c", "regex"), ex("countof", 0, "abc", ""),
		ex("extract_json", "x", "$.a['b'][0]", `{"a":{"b":["x"]}}`), ex("extract_json", "", "$.a.c", `{"a":{}}`), ex("extract_json", "", "$.a", "no json"),
	})
}

func TestABadConstantIsRefusedBeforeDataAreRead(t *testing.T) {
	for _, c := range []struct {
		name string
		args []any
		want string
	}{
		{"extract", []any{"(", 0, "a"}, "no regular expression"}, {"replace_regex", []any{"a", "[", "b"}, "no regular expression"}, {"trim", []any{"(", "a"}, "no regular expression"},
		{"extract_all", []any{"*", "a"}, "no regular expression"}, {"countof", []any{"a", "b", "exact"}, "normal, regex"}, {"countof", []any{"a", "(", "regex"}, "no regular expression"},
		{"parse_command_line", []any{"a", "bash"}, `must be "windows"`}, {"datetime_diff", []any{"fortnight", at("2020-01-01"), at("2020-01-01")}, "year, quarter"},
		{"datetime_part", []any{"weekday", at("2020-01-01")}, "week_of_year"}, {"format_datetime", []any{at("2020-01-01"), "yyyyy"}, "stands for nothing"},
		{"format_datetime", []any{at("2020-01-01"), "yyyyTMM"}, `"T"`}, {"datetime_utc_to_local", []any{at("2020-01-01"), "Europe/Atlantis"}, "no time zone"},
	} {
		if got := refusal(t, c.name, c.args...); !strings.Contains(got, c.want) {
			t.Errorf("%s %v: got %q, want %q in it", c.name, c.args, got, c.want)
		}
	}
}

func TestTypesOfArgumentsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		args []any
		want string
	}{
		{"strlen", []any{5}, "the first argument of strlen must be a string or a dynamic, not long"},
		{"strrep", []any{"a", 1.5}, "the second argument of strrep must be a whole number, not real"},
		{"startofday", []any{dyn("1")}, "the first argument of startofday must be a datetime, not dynamic"},
		{"sqrt", []any{"4"}, "the first argument of sqrt must be a number, not string"},
		{"array_length", []any{"a"}, "the first argument of array_length must be a dynamic, not string"},
		{"bin", []any{dyn("1"), 1}, "tolong()"}, {"hash_md5", []any{1}, "tostring()"}, {"range", []any{"a", "b"}, "range is not defined for string"},
		{"array_sort_asc", []any{dyn("[]"), dyn("[]")}, "not supported"}, {"bag_pack", []any{"a", 1, "b"}, "pairs"}, {"make_datetime", []any{2020, 1}, "a year, a month and a day"},
	} {
		if got := refusal(t, c.name, c.args...); !strings.Contains(got, c.want) {
			t.Errorf("%s %v: got %q, want %q in it", c.name, c.args, got, c.want)
		}
	}
}

func TestEncoding(t *testing.T) {
	check(t, []example{
		ex("base64_encode_tostring", "S3VzdG8=", "Kusto"), ex("base64_decode_tostring", "Kusto", "S3VzdG8="), ex("base64_decode_tostring", "", "not base64"),
		ex("base64_decode_toarray", dyn("[75,117,115,116,111]"), "S3VzdG8="), ex("base64_decode_toguid", null(column.GUID), "S3VzdG8="),
		ex("url_encode", "https%3A%2F%2Fwww.bing.com%2Fhello+word", "https://www.bing.com/hello word"),
		ex("url_encode_component", "https%3A%2F%2Fwww.bing.com%2Fhello%20word", "https://www.bing.com/hello word"),
		ex("url_decode", "https://www.bing.com/", "https%3a%2f%2fwww.bing.com%2f"), ex("url_decode", "%zz", "%zz"),
		ex("hash", 1846988464401551951, "World"), ex("hash", 51, "World", 100), ex("hash_xxhash64", 1846988464401551951, "World"),
		ex("hash_md5", "f5a7924e621e84c9280a9a27e1bcb7f6", "World"), ex("hash_sha1", "70c07ec18ef89c5309bbb0937f3a6342411e1fdd", "World"),
		ex("hash_sha256", "78ae647dc5544d227130a0682a51e30bc7777fbb6d8a8f17007463a3ecd1d524", "World"),
		ex("gzip_decompress_from_base64_string", "", "no gzip"),
		ex("tohex", "100", 256), ex("tohex", "ffffffffffffff00", -256), ex("tohex", "ffffff00", integer(-256), 8), ex("tohex", "00000100", 256, 8), ex("tohex", "100", 256, 2),
		ex("format_bytes", "6 Bytes", 6), ex("format_bytes", "1.5 KB", 1536, 1), ex("format_bytes", "1 MB", 1048576), ex("format_bytes", "10 MB", 10485760, 0, "MB"),
	})
}

func TestParsers(t *testing.T) {
	check(t, []example{
		ex("parse_url", dyn(`{"Scheme":"scheme","Host":"host","Port":"1234","Path":"/this/is/a/path","Username":"username","Password":"password","Query Parameters":{"k1":"v1","k2":"v2"},"Fragment":"fragment"}`),
			"scheme://username:password@host:1234/this/is/a/path?k1=v1&k2=v2#fragment"),
		ex("parse_urlquery", dyn(`{"Query Parameters":{"k1":"v1","k2":"v2","k3":"v3"}}`), "k1=v1&k2=v2&k3=v3"),
		ex("parse_path", dyn(`{"Scheme":"","RootPath":"C:\\","DirectoryPath":"C:\\temp","DirectoryName":"temp","Filename":"file.txt","Extension":"txt","AlternateDataStreamName":""}`), `C:\temp\file.txt`),
		ex("parse_path", dyn(`{"Scheme":"file","RootPath":"C:/","DirectoryPath":"C:/temp","DirectoryName":"temp","Filename":"file.txt","Extension":"txt","AlternateDataStreamName":"some.exe"}`), "file://C:/temp/file.txt:some.exe"),
		ex("parse_path", dyn(`{"Scheme":"","RootPath":"","DirectoryPath":"\\\\shared\\users\\temp","DirectoryName":"temp","Filename":"file.txt.gz","Extension":"gz","AlternateDataStreamName":""}`), `\\shared\users\temp\file.txt.gz`),
		ex("parse_version", dec("1000000020000000300000040"), "1.2.3.40"), ex("parse_version", null(column.Decimal), "1.x"),
	})
}

func TestAddresses(t *testing.T) {
	line := "05:04:54 127.0.0.1 GET /favicon.ico 404"
	check(t, []example{
		ex("parse_ipv4", 3232235777, "192.168.1.1"), ex("parse_ipv4", 3232235776, "192.168.1.1/24"), ex("parse_ipv4", 4294967294, "255.255.255.255/31"), ex("parse_ipv4", null(column.Long), "1.2.3"),
		ex("parse_ipv4_mask", 2130706432, "127.0.0.1", 24), ex("parse_ipv6", "0000:0000:0000:0000:0000:ffff:c0a8:ff00", "192.168.255.255/24"), ex("parse_ipv6", "", "x"),
		ex("parse_ipv6_mask", "0000:0000:0000:0000:0000:ffff:c0a8:ff00", "192.168.255.255", 120), ex("parse_ipv6_mask", "fe80:0000:0000:0000:085d:e82c:9446:7900", "fe80::85d:e82c:9446:7994/120", 124),
		ex("parse_ipv6_mask", "0000:0000:0000:0000:0000:0000:c0a8:ff00", "::192.168.255.255/24", 128),
		ex("ipv4_compare", 0, "127.0.0.1", "127.0.0.1"), ex("ipv4_compare", -1, "192.168.1.1", "192.168.1.255"), ex("ipv4_compare", 0, "192.168.1.1/24", "192.168.1.255/24"), ex("ipv4_compare", 0, "192.168.1.1", "192.168.1.255", 24),
		ex("ipv4_is_match", true, "192.168.1.1", "192.168.1.255", 24), ex("ipv6_compare", 0, "fe80::85d:e82c:9446:7994", "fe80::85d:e82c:9446:7994"), ex("ipv6_is_match", true, "192.168.1.1", "::ffff:c0a8:0101"),
		ex("ipv4_is_private", true, "10.1.2.3"), ex("ipv4_is_private", false, "208.1.2.3"), ex("ipv4_is_in_range", true, "192.168.1.6", "192.168.1.1/24"), ex("ipv4_is_in_range", false, "192.168.2.1", "192.168.1.1/24"),
		ex("ipv4_is_in_any_range", true, "192.168.1.6", "10.0.0.0/8", "192.168.1.1/24"), ex("ipv4_is_in_any_range", true, "127.0.0.1", dyn(`["127.0.0.1","192.168.1.1"]`)), ex("ipv4_netmask_suffix", 24, "192.168.1.1/24"), ex("ipv6_is_in_range", true, "fe80::85d:e82c:9446:7994", "fe80::85d:e82c:9446:7900/120"), ex("ipv6_is_in_any_range", false, "fe80::1", "a5e:f127:8a9d:146d:e102:b5d3:c755:abcd/112"),
		ex("format_ipv4", "192.168.1.0", "192.168.1.255", 24), ex("format_ipv4", "192.168.1.0", 3232236031, 24), ex("format_ipv4_mask", "192.168.1.0/24", "192.168.1.255", 24),
		ex("has_ipv4", true, line, "127.0.0.1"), ex("has_ipv4", false, "05:04:54 127.0.0.256", "127.0.0.256"), ex("has_ipv4_prefix", true, line, "127.0."), ex("has_ipv4_prefix", false, line, "127.0"),
		ex("has_any_ipv4", true, line, "127.0.0.1", "127.0.0.2"), ex("has_any_ipv4", true, line, dyn(`["127.0.0.1","127.0.0.2"]`)), ex("has_any_ipv4", false, "05:04:54127.0.0.1 GET", "127.0.0.1", "192.168.1.1"),
		ex("has_any_ipv4_prefix", true, line, "127.0.", "192.168."), ex("has_any_ipv4_prefix", false, "05:04:54127.0.0.1 GET", "127.0.", "192."), ex("has_any_ipv4_prefix", false, line, "127.0"),
	})
}
