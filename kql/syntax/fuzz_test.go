package syntax

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: a text is a query or an error whose place is in the text.
func FuzzParse(f *testing.F) {
	for _, q := range []string{
		"T | where a == 1 and s has 'x' | summarize c = count(), percentiles(r, 50, 95) by bin(t, 1m), tostring(d.slot)",
		"let f = (x: long = 5, T: (*)) { T | take x }; union withsource=s kind=inner f(1, A), B*, (C | project-away x*)",
		"range x from 1 to 10 step 1 | mv-expand kind=array y = d to typeof(long) limit 5 | mv-apply z on (top 1 by z)",
		"T | make-series count() default=0 on t from ago(1h) to now() step 1m by s | parse kind=regex s with * 'a' x: long *",
		"datatable(a: long, d: dynamic) [1, dynamic({'a': [1, null, datetime(2024-01-01)]})] | evaluate pivot(a)",
		"print @'c:\\x', \"a\\u0041\", ```x```, 1.5e3, 0x1F, 5m, -1, d[0].['a b'], x between (1 .. 2), y !in~ ('a')",
		"T | join kind=left-anti hint.strategy=shuffle (U) on a, $left.b == $right.c | render timechart with (title='x')",
		"T | join hint.strategy=",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := ParseQuery(text)
		if err == nil {
			if q == nil || q.Result == nil {
				t.Fatal("no query and no error")
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("an error of type %T", err)
		}
		if e.Line == 0 {
			return
		}
		lines := strings.Split(text, "\n")
		if e.Line > len(lines) || e.Column < 1 || e.Column > utf8.RuneCountInString(lines[e.Line-1])+1 {
			t.Fatalf("the place %d:%d is not in the text", e.Line, e.Column)
		}
	})
}

// TestAQueryOfAnyShapeKeepsTheStack parses texts that are nested or chained as deep as they can be.
func TestAQueryOfAnyShapeKeepsTheStack(t *testing.T) {
	for name, text := range map[string]string{
		"parentheses": "print " + strings.Repeat("(", 100_000),
		"signs":       "print " + strings.Repeat("-", 100_000) + "1",
		"arrays":      "print dynamic(" + strings.Repeat("[", 100_000),
		"calls":       "print " + strings.Repeat("f(", 100_000),
		"functions":   strings.Repeat("let f = () { ", 50_000),
		"operators":   "T" + strings.Repeat(" | take 1", 100_000),
		"terms":       "print 1" + strings.Repeat(" + 1", 100_000),
		"members":     "print a" + strings.Repeat(".a", 100_000),
		"subqueries":  strings.Repeat("T | join (", 50_000),
	} {
		if _, err := ParseQuery(text); err == nil || !strings.Contains(err.Error(), "nested deeper") && !strings.Contains(err.Error(), "after one another") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := ParseQuery(strings.Repeat(" ", MaxQuery+1)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
	if _, err := ParseQuery("print '\xff'"); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Error(err)
	}
}
