package scalar_test

import (
	"math"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/kql/column"
)

func TestArithmeticFollowsTheTypes(t *testing.T) {
	check(t, []example{
		ex("+", 3, integer(1), 2), ex("+", 3.5, 1, 2.5), ex("-", -1, 1, 2), ex("*", 6, 2, 3), ex("/", 2, 5, 2), ex("/", 2.5, 5.0, 2),
		ex("/", -2, -5, 2),
		ex("+", dec("3.5"), 1, dec("2.5")), ex("/", dec("0.5"), dec("1"), 2), ex("%", dec("1"), dec("-5"), dec("3")),
		ex("+", lasting("3h"), lasting("1h"), lasting("2h")), ex("+", at("2020-01-02"), at("2020-01-01"), lasting("1d")),
		ex("+", at("2020-01-02"), lasting("1d"), at("2020-01-01")),
		ex("-", lasting("1d"), at("2020-01-02"), at("2020-01-01")), ex("-", at("2020-01-01"), at("2020-01-02"), lasting("1d")),
		ex("*", lasting("6s"), 6, lasting("1s")), ex("*", lasting("1.5s"), lasting("1s"), 1.5), ex("/", 2.5, lasting("5s"), lasting("2s")),
		ex("/", lasting("2.5s"), lasting("5s"), 2), ex("%", lasting("1s"), lasting("5s"), lasting("2s")),
		ex("%", lasting("1h"), at("2020-01-01 05:00"), lasting("2h")), ex("*", lasting("3s"), dec("1.5"), lasting("2s")),
		ex("-", -5, integer(5)), ex("-", -2.5, 2.5), ex("-", lasting("-1h"), lasting("1h")), ex("+", 5, 5),
	})
}

func TestModuloIsNeverNegative(t *testing.T) {
	check(t, []example{
		ex("%", 2, 14, 12), ex("%", 10, -14, 12), ex("%", 2, 14, -12), ex("%", 10, -14, -12), ex("%", 0.5, -1.5, 1.0),
		ex("%", 0, -12, 12),
	})
}

func TestDivisionByZero(t *testing.T) {
	check(t, []example{
		ex("/", null(column.Long), 1, 0), ex("%", null(column.Long), 1, 0), ex("/", math.Inf(1), 1.0, 0.0), ex("/", math.Inf(-1), -1.0, 0),
		ex("/", math.NaN(), 0.0, 0.0), ex("/", null(column.Decimal), dec("1"), dec("0")),
	})
}

func TestANullOperandMakesANull(t *testing.T) {
	for _, op := range []string{"+", "-", "*", "/", "%"} {
		check(t, []example{ex(op, null(column.Long), null(column.Long), 1), ex(op, null(column.Real), 1, null(column.Real))})
	}
}

func TestADatetimeOutsideOfTheYearsIsNull(t *testing.T) {
	check(t, []example{
		ex("-", null(column.DateTime), at("0001-01-01"), lasting("1d")), ex("+", null(column.DateTime), at("9999-12-31"), lasting("2d")),
	})
}

func TestADynamicIsCastToTheOtherOperand(t *testing.T) {
	check(t, []example{
		ex("+", 3, dyn("1"), 2), ex("+", 3.5, dyn("1.5"), 2.0), ex("+", 3, dyn(`"1"`), 2), ex("+", null(column.Long), dyn(`"x"`), 2),
		ex("+", dyn("3.5"), dyn("1.5"), dyn("2")), ex("*", dyn("6"), dyn("2"), dyn("3")), ex("-", dyn("-2"), dyn("2")),
		ex("==", true, dyn("1.5"), 1.5), ex("==", false, dyn("1.5"), 1), ex("<", true, dyn("1.5"), 2), ex(">", true, 2, dyn("1.5")),
		ex("==", true, dyn(`"a"`), "a"), ex("==", true, dyn("5"), "5"), ex("==", true, dyn(`"2020-01-01"`), at("2020-01-01")),
	})
}

func TestAFractionInADynamicIsNotCutOffInSilence(t *testing.T) {
	f, _ := lookup(t, "+")
	_, err := f.Eval(ctx(), []*column.Vector{column.NewConst(column.Dynamic, 1.5, 1), column.NewConst(column.Long, int64(1), 1)}, 1)
	if err == nil || !strings.Contains(err.Error(), "toreal()") {
		t.Errorf("got error %v, want one that names toreal()", err)
	}
}

func TestArithmeticOnOtherTypesIsRefused(t *testing.T) {
	for _, c := range []struct {
		op   string
		args []any
		want string
	}{
		{"+", []any{"a", "b"}, "strcat()"}, {"-", []any{"a", 1}, "not defined for string and long"}, {"*", []any{true, 1}, "not defined for bool and long"},
		{"+", []any{at("2020-01-01"), at("2020-01-01")}, "not defined for datetime and datetime"}, {"-", []any{"a"}, "not defined for string"},
		{"-", []any{lasting("1h"), at("2020-01-01")}, "not defined for timespan and datetime"},
	} {
		if got := refusal(t, c.op, c.args...); !strings.Contains(got, c.want) {
			t.Errorf("%s %v: got %q, want %q in it", c.op, c.args, got, c.want)
		}
	}
}

func TestComparisonsOfNulls(t *testing.T) {
	none := null(column.Bool)
	check(t, []example{
		ex("==", none, null(column.Long), null(column.Long)), ex("!=", none, null(column.Long), null(column.Long)),
		ex("==", false, null(column.Long), 1), ex("!=", true, null(column.Long), 1),
		ex("<", none, null(column.Long), 1), ex(">=", none, 1, null(column.Real)),
		ex("==", false, null(column.Bool), true), ex("!=", true, null(column.Bool), true),
	})
}

func TestComparisons(t *testing.T) {
	check(t, []example{
		ex("==", true, 1, 1.0), ex("==", true, integer(1), 1), ex("==", true, dec("1.0"), 1), ex("==", false, "a", "A"), ex("=~", true, "a", "A"),
		ex("!~", false, "a", "A"), ex("!=", true, "a", "b"), ex("==", true, true, 1), ex("==", true, at("2020-01-01"), at("2020-01-01")),
		ex("==", true, uuid("74be27de-1e4e-49d9-b579-fe0b331d3642"), "74BE27DE-1e4e-49d9-b579-fe0b331d3642"),
		ex("<", true, 1, 2), ex("<=", true, 2, 2.0), ex(">", false, 1, 2), ex(">=", true, lasting("1h"), lasting("1h")), ex("<", true, false, true),
		ex("<", true, dec("1.5"), 2), ex("<", false, math.NaN(), 1.0), ex(">", false, math.NaN(), 1.0), ex("==", false, math.NaN(), math.NaN()),
		ex("==", true, dyn(`{"a":1,"b":[2.0]}`), dyn(`{"b":[2],"a":1}`)), ex("==", false, dyn(`[1]`), dyn(`[1,2]`)),
		ex("<", true, dyn("1"), dyn("2")), ex("<", null(column.Bool), dyn(`"a"`), 1), ex("has_any", true, "5 of 6", 5),
		ex("between", true, 50, 50, 55), ex("between", true, 55, 50, 55.0), ex("between", false, 56, 50, 55), ex("!between", true, 56, 50, 55),
		ex("around", true, at("2021-01-01 01:29"), at("2021-01-01 01:30"), lasting("1m")), ex("around", false, 5, 3, 1), ex("around", true, 4.5, 4, 0.5), ex("around", null(column.Bool), 4, null(column.Long), 1),
		ex("between", true, at("2020-01-02"), at("2020-01-01"), lasting("1d")), ex("between", false, at("2020-01-03"), at("2020-01-01"), lasting("1d")),
	})
}

func TestComparisonsThatKustoDoesNotHaveAreRefused(t *testing.T) {
	for _, c := range []struct {
		op   string
		args []any
		want string
	}{
		{"==", []any{"a", 1}, "cannot compare string with long"}, {"<", []any{"a", "b"}, "strcmp()"}, {"==", []any{at("2020-01-01"), "x"}, "todatetime"[2:]},
		{"<", []any{at("2020-01-01"), 1}, "not defined for datetime and long"}, {"between", []any{"a", "b", "c"}, "not defined for string"},
	} {
		if got := refusal(t, c.op, c.args...); !strings.Contains(got, c.want) {
			t.Errorf("%s %v: got %q, want %q in it", c.op, c.args, got, c.want)
		}
	}
}

func TestLogicHasThreeValues(t *testing.T) {
	none := null(column.Bool)
	check(t, []example{
		ex("and", false, none, false), ex("and", none, none, true), ex("and", none, none, none), ex("and", true, true, true),
		ex("or", true, none, true), ex("or", none, none, false), ex("or", false, false, false), ex("or", none, none, none),
		ex("not", none, none), ex("not", false, true), ex("and", false, true, dyn("false")),
	})
}

func TestConditions(t *testing.T) {
	check(t, []example{
		ex("iff", "yes", true, "yes", "no"), ex("iff", "no", null(column.Bool), "yes", "no"), ex("iif", 2.0, false, 1.5, 2),
		ex("iff", null(column.Long), true, null(column.Long), 1),
		ex("case", "Small", true, "Small", true, "Medium", "Large"), ex("case", "Large", false, "Small", null(column.Bool), "Medium", "Large"),
		ex("iff", dyn(`"a"`), true, "a", 1), ex("iff", "5", true, dyn("5"), "a"),
		ex("coalesce", 2, null(column.Long), 2, 3), ex("coalesce", "b", "", "b"), ex("coalesce", null(column.Long), null(column.Long), null(column.Long)),
		ex("coalesce", 1.0, null(column.Real), 1),
		ex("min_of", -3, 10, 1, -3, 17), ex("max_of", 17, 10, 1, -3, 17), ex("min_of", integer(3), null(column.Int), integer(3)),
		ex("max_of", null(column.Int), null(column.Int), null(column.Int)), ex("max_of", "b", "a", "b"), ex("max_of", 2.5, 1, 2.5),
		ex("isnull", false, ""), ex("isnull", true, null(column.Long)), ex("isnotnull", true, 1), ex("isempty", true, ""), ex("isempty", true, null(column.Long)),
		ex("isempty", false, "a"), ex("isnotempty", true, "a"), ex("isempty", true, dyn(`""`)), ex("isempty", true, dyn(`null`)), ex("isempty", false, dyn(`[]`)),
	})
}

func TestConditionsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		args []any
		want string
	}{
		{"iff", []any{1, "a", "b"}, "must be a bool, not long"}, {"case", []any{true, "a", false, "b"}, "pairs"}, {"coalesce", []any{"a", 1}, "one type"},
		{"max_of", []any{1, "a"}, "no common type"}, {"max_of", []any{1, dyn("1")}, "second argument"}, {"and", []any{true, 1}, "not defined for long"},
	} {
		if got := refusal(t, c.name, c.args...); !strings.Contains(got, c.want) {
			t.Errorf("%s %v: got %q, want %q in it", c.name, c.args, got, c.want)
		}
	}
}

func TestHasFindsWholeTerms(t *testing.T) {
	check(t, []example{
		ex("has", true, "North America", "america"), ex("has", false, "North America", "amer"), ex("has", true, "a-b_c.d", "B"), ex("has", true, "x GET /ping", "/ping"),
		ex("has", false, "abc123", "abc"), ex("has", true, "abcabc abc", "abc"), ex("has", true, "anything", ""), ex("has", false, "", "a"),
		ex("has", true, "über Größe", "GRÖSSE"[:0]), ex("has", true, "die Größe", "größe"), ex("has", false, "dieGröße", "größe"),
		ex("!has", true, "North America", "amer"), ex("has_cs", false, "North America", "america"), ex("has_cs", true, "North America", "America"),
		ex("!has_cs", true, "North America", "america"), ex("hasprefix_cs", false, "North America", "ame"), ex("!hasprefix_cs", true, "North America", "ame"), ex("!hasprefix", false, "North America", "ame"),
		ex("hassuffix_cs", true, "North America", "rica"), ex("!hassuffix_cs", true, "North America", "RICA"),
		ex("hasprefix", true, "North America", "ame"), ex("hasprefix", false, "North America", "merica"), ex("hassuffix", true, "North America", "RICA"),
		ex("!hassuffix", true, "North America", "nort"), ex("has", true, dyn(`{"a":"x y"}`), "y"), ex("has", true, "one two", dyn(`"two"`)),
		ex("has_any", true, "one two", "three", "TWO"), ex("has_any", true, "one two", dyn(`["three","two"]`)), ex("has_any", false, "one two", dyn(`[]`)),
		ex("has_all", true, "one two", dyn(`["one","two"]`)), ex("has_all", false, "one two", "one", "three"),
	})
}

func TestTextOperators(t *testing.T) {
	check(t, []example{
		ex("contains", true, "Hello", "ELL"), ex("contains_cs", false, "Hello", "ELL"), ex("!contains", true, "Hello", "x"), ex("contains", true, "", ""),
		ex("contains", true, "ÄÖÜ", "öü"), ex("startswith", true, "Hello", "hE"), ex("startswith_cs", false, "Hello", "hE"), ex("!startswith", true, "Hello", "lo"),
		ex("startswith", false, "He", "Hello"), ex("endswith", true, "Hello", "LO"), ex("endswith_cs", true, "Hello", "lo"), ex("!endswith", false, "Hello", "lo"),
		ex("!contains_cs", true, "Hello", "ELL"), ex("!startswith_cs", true, "Hello", "hE"), ex("!endswith_cs", true, "Hello", "LO"),
		ex("startswith", true, "Ärger", "är"), ex("endswith", true, "bär", "ÄR"),
		ex("matches regex", true, "GET /ping 200", `\d{3}$`), ex("matches regex", false, "abc", "^b"),
	})
	if got := refusal(t, "matches regex", "a", "("); !strings.Contains(got, "no regular expression") {
		t.Errorf("a bad pattern gives %q", got)
	}
	if got := refusal(t, "has", 5, "a"); !strings.Contains(got, "not defined for long and string") {
		t.Errorf("has on a long gives %q", got)
	}
}

func TestIn(t *testing.T) {
	check(t, []example{
		ex("in", true, "a", "b", "a"), ex("in", false, "A", "b", "a"), ex("in~", true, "A", "b", "a"), ex("!in", true, "A", "b", "a"), ex("!in~", false, "A", "b", "a"),
		ex("in", true, "a", dyn(`["a","b"]`)), ex("in", false, "a", dyn(`[]`)), ex("in", true, 1, 2, 1.0), ex("in", true, 1.5, dyn(`[1.5]`)), ex("in", false, 1, 1.5),
		ex("in", false, null(column.Long), 1), ex("!in", true, null(column.Long), 1), ex("in", true, dyn(`"a"`), "a"), ex("in", true, dyn("5"), "5"), ex("in", true, dyn("5"), 5),
		ex("in", true, at("2020-01-01"), dyn(`["2020-01-01T00:00:00Z"]`)), ex("in", true, true, 1), ex("in", false, true, 2),
		ex("in", true, dec("1.5"), 1.5), ex("in", true, dyn(`[1]`), dyn(`[[1]]`)),
	})
	if got := refusal(t, "in", "a", 1); !strings.Contains(got, "cannot look up string among long") {
		t.Errorf("in of mixed types gives %q", got)
	}
	if got := refusal(t, "in~", 1, 1); !strings.Contains(got, "write in") {
		t.Errorf("in~ of numbers gives %q", got)
	}
}

func TestMembersOfADynamic(t *testing.T) {
	check(t, []example{
		ex("[]", dyn("1"), dyn(`{"a":1}`), "a"), ex("[]", null(column.Dynamic), dyn(`{"a":1}`), "b"), ex("[]", dyn("2"), dyn(`[1,2]`), 1),
		ex("[]", dyn("2"), dyn(`[1,2]`), -1), ex("[]", null(column.Dynamic), dyn(`[1,2]`), 2), ex("[]", null(column.Dynamic), dyn(`[1,2]`), -3),
		ex("[]", null(column.Dynamic), dyn(`"text"`), "a"), ex("[]", dyn(`"x"`), dyn(`{"a":"x"}`), dyn(`"a"`)),
	})
	if got := refusal(t, "[]", "text", "a"); !strings.Contains(got, "parse_json()") {
		t.Errorf("a member of a string gives %q", got)
	}
}
