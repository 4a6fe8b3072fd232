package bind

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/slipway-cd/slipway/kql/aggregate"
	"github.com/slipway-cd/slipway/kql/scalar"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// nameOf gives the name that Kusto gives to an expression, or "" if it has none of its own (Column1).
func nameOf(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.Name:
		return x.Name
	case *syntax.Member:
		if n, ok := x.X.(*syntax.Name); ok && strings.HasPrefix(n.Name, "$") {
			return x.Name
		}
		if left := nameOf(x.X); left != "" {
			return left + "_" + x.Name
		}
		return x.Name
	case *syntax.Index:
		left := nameOf(x.X)
		i, ok := x.I.(*syntax.Literal)
		if left == "" || !ok {
			return ""
		}
		return fmt.Sprintf("%s_%v", left, i.Value)
	case *syntax.Call:
		return nameOfCall(x)
	}
	return ""
}

func firstArg(x *syntax.Call) string {
	if len(x.Args) == 0 {
		return ""
	}
	return nameOf(x.Args[0].X)
}

func nameOfCall(x *syntax.Call) string {
	if f, ok := aggregate.Lookup(x.Func); ok {
		return nameOfAggregate(f, x)
	}
	switch x.Func {
	case "ingestion_time":
		return "$IngestionTime"
	case "gettype":
		return withPrefix("type", firstArg(x))
	case "repeat":
		return withPrefix("repeat", firstArg(x))
	case "treepath":
		return withPrefix("tree", firstArg(x))
	case "column_ifexists", "columnifexists":
		if len(x.Args) > 0 {
			if l, ok := x.Args[0].X.(*syntax.Literal); ok {
				if name, ok := l.Value.(string); ok {
					return "?" + name // if there is such a column; see columnName
				}
			}
		}
		return ""
	case "make_datetime", "make_timespan":
		if len(x.Args) == 1 {
			return firstArg(x)
		}
		return ""
	}
	if f, ok := scalar.Lookup(x.Func); ok {
		switch f.AutoName {
		case scalar.AutoArg:
			return firstArg(x)
		case scalar.AutoFuncArg:
			return withPrefix(x.Func, firstArg(x))
		}
	}
	return ""
}

func withPrefix(prefix, name string) string {
	if name == "" {
		return ""
	}
	return prefix + "_" + name
}

// nameOfAggregate names an aggregate's only result: count_, sum_x, percentile_x_95. Those with several are named by the binder.
func nameOfAggregate(f *aggregate.Func, x *syntax.Call) string {
	switch f.Name {
	case "percentile", "percentiles", "percentilew", "percentilesw":
		at := 1
		if strings.HasSuffix(f.Name, "w") {
			at = 2
		}
		if len(x.Args) > at {
			return percentileName(x, at)
		}
	case "count", "countif":
		if len(x.Args) == 0 {
			return f.Prefix + "_"
		}
	}
	if f.Prefix == "" {
		return firstArg(x)
	}
	return f.Prefix + "_" + firstArg(x)
}

// percentileName is percentile_x_95 for the rank that is argument at; what is not a letter or digit in it becomes an underscore.
func percentileName(x *syntax.Call, at int) string {
	rank := ""
	if l, ok := x.Args[at].X.(*syntax.Literal); ok {
		rank = strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return '_'
		}, l.Text)
	}
	return "percentile_" + firstArg(x) + "_" + rank
}

// namer makes the names of a list of columns unique: x, x1, x2; unnamed ones are Column1, Column2 …
type namer struct {
	used    map[string]bool
	unnamed int
}

func newNamer(taken ...string) *namer {
	n := &namer{used: map[string]bool{}}
	for _, t := range taken {
		n.used[t] = true
	}
	return n
}

// auto gives an automatic name its unique form.
func (n *namer) auto(name string) string {
	if name == "" {
		for {
			n.unnamed++
			if name = "Column" + strconv.Itoa(n.unnamed); !n.used[name] {
				break
			}
		}
	}
	unique := name
	for i := 1; n.used[unique]; i++ {
		unique = name + strconv.Itoa(i)
	}
	n.used[unique] = true
	return unique
}

// declare takes a name that the query gives; it must be new.
func (n *namer) declare(at syntax.Pos, name string) error {
	if n.used[name] {
		return syntax.Errorf(at, codeDuplicate, "a column “%s” is already there", name)
	}
	n.used[name] = true
	return nil
}
