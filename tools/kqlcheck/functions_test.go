package kqlcheck

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/scalar"
)

// literals are a value of each type; of a dynamic nobody knows what it holds.
var literals = []string{"true", "int(2)", "2", "2.5", "decimal(2.5)", `"day"`, "datetime(2020-01-02)", "2h",
	"guid(74be27de-1e4e-49d9-b579-fe0b331d3642)", `parse_json("[1]")`}

// columnsOfEachType is a table with a column of each type.
var columnsOfEachType = schema{"T": {
	{Name: "aBool", Type: column.Bool}, {Name: "anInt", Type: column.Int}, {Name: "aLong", Type: column.Long}, {Name: "aReal", Type: column.Real},
	{Name: "aDecimal", Type: column.Decimal}, {Name: "aString", Type: column.String}, {Name: "aTime", Type: column.DateTime}, {Name: "aSpan", Type: column.TimeSpan},
	{Name: "aGuid", Type: column.GUID}, {Name: "aDynamic", Type: column.Dynamic},
}}

// TestFunctionsTakeAndGiveTheTypesThatMicrosoftSays calls every function of the library with values of every type, and every operator with every
// pair of types. Both must take the arguments, with a result of the same type, or both refuse them.
func TestFunctionsTakeAndGiveTheTypesThatMicrosoftSays(t *testing.T) {
	var queries []query
	for _, name := range scalar.Names() {
		f, _ := scalar.Lookup(name)
		for _, args := range tuples(f) {
			if call := write(name, args); call != "" {
				queries = append(queries, query{id: call, text: "print x = " + call, function: name})
			}
		}
	}
	theirs := microsoft(t, queries)
	used := map[string]bool{}
	for i, q := range queries {
		ours, _ := slipway(q)
		if theirs[i].Failed != "" || len(ours.Errors) > 0 && len(theirs[i].Errors) > 0 || len(ours.Errors)+len(theirs[i].Errors) == 0 && slices.Equal(ours.Columns, theirs[i].Columns) {
			continue
		}
		if used[q.function] = true; functionDiffers[q.function] != "" {
			continue
		}
		t.Errorf("%s\nours: %s\ntheirs: %s", q.id, ours, theirs[i])
	}
	for name, why := range functionDiffers {
		if !used[name] {
			t.Errorf("%s is listed as differing (%s), but it does not", name, why)
		}
	}
}

// TestResultsAreNamedAsMicrosoftNamesThem has functions of columns without a name for the result.
func TestResultsAreNamedAsMicrosoftNamesThem(t *testing.T) {
	var queries []query
	for _, name := range scalar.Names() {
		f, _ := scalar.Lookup(name)
		for _, c := range columnsOfEachType["T"] {
			args := make([]string, max(f.MinArgs, 1))
			for i := range args {
				args[i] = c.Name
			}
			if call := write(name, args); call != "" && !isList(name) && (f.MaxArgs < 0 || len(args) <= f.MaxArgs) {
				queries = append(queries, query{id: call, text: "T | project " + call, schema: columnsOfEachType, function: name})
			}
		}
	}
	theirs := microsoft(t, queries)
	for i, q := range queries {
		ours, _ := slipway(q)
		if len(ours.Errors) == 0 && len(theirs[i].Errors) == 0 && ours.Columns[0].Name != theirs[i].Columns[0].Name {
			if nameDiffers[q.function] != "" {
				continue
			}
			t.Errorf("%s is named %s, not %s", q.id, ours.Columns[0].Name, theirs[i].Columns[0].Name)
		}
	}
}

// TestEveryFunctionOfKustoIsHereOrKnownToBeMissing asks for each function that Microsoft's parser knows.
func TestEveryFunctionOfKustoIsHereOrKnownToBeMissing(t *testing.T) {
	var names []string
	node(t, "names.js", nil, &names)
	if len(names) < 400 {
		t.Fatalf("the parser knows only %d functions", len(names))
	}
	for _, name := range names {
		_, err := kql.Compile("print d = dynamic([1]) | project "+name+"(d)", schema{})
		if err != nil && strings.Contains(err.Error(), "there is no function") && !scalar.Missing(name) {
			t.Errorf("%s is neither here nor listed as missing", name)
		}
	}
}

// tuples gives arguments to try: all pairs of types for an operator, and for a function all types for each argument in turn, beside arguments
// that the function takes.
func tuples(f *scalar.Func) [][]string {
	var all [][]string
	if infix(f.Name) || isList(f.Name) {
		if strings.HasSuffix(f.Name, "_cs") || len(f.Name) > 2 && f.Name[0] == '!' {
			return nil // as without
		}
		for _, a := range literals {
			for _, b := range literals {
				all = append(all, []string{a, b})
			}
		}
		return all
	}
	accepted := accepts(f, nil, max(f.MinArgs, 1))
	for i := range accepted {
		for _, literal := range literals {
			args := slices.Clone(accepted)
			args[i] = literal
			all = append(all, args)
		}
	}
	if f.MinArgs == 0 {
		all = append(all, nil)
	}
	return all
}

// accepts finds arguments that Slipway takes, trying them in order; nil if there are none.
func accepts(f *scalar.Func, begin []string, count int) []string {
	if len(begin) == count {
		if _, err := kql.Compile("print x = "+write(f.Name, begin), schema{}); err != nil {
			return nil
		}
		return slices.Clone(begin)
	}
	for _, literal := range []string{`"day"`, "2", `parse_json("[1]")`, "datetime(2020-01-02)", "2h", "true"} {
		if args := accepts(f, append(begin, literal), count); args != nil {
			return args
		}
	}
	return nil
}

// write writes a call as a query has it; "" of what is no function or operator of two operands.
func write(name string, args []string) string {
	switch {
	case name == "[]":
		return ""
	case strings.Contains(name, "between"):
		return fmt.Sprintf("%s %s (%s .. %s)", args[0], name, args[1], args[2])
	case isList(name):
		return fmt.Sprintf("%s %s (%s)", args[0], name, strings.Join(args[1:], ", "))
	case infix(name):
		if len(args) == 1 {
			return name + args[0]
		}
		return fmt.Sprintf("%s %s %s", args[0], name, args[1])
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

// isList tells of an operator that it has a list of values on its right.
func isList(name string) bool {
	return name == "has_any" || name == "has_all" || strings.TrimSuffix(strings.TrimPrefix(name, "!"), "~") == "in"
}

func infix(name string) bool {
	if name[0] < 'a' || name[0] > 'z' {
		return true
	}
	if name == "and" || name == "or" || name == "matches regex" {
		return true
	}
	word := strings.TrimSuffix(name, "_cs")
	return slices.Contains([]string{"contains", "startswith", "endswith", "has", "hasprefix", "hassuffix"}, word)
}
