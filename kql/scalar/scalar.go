// Package scalar is the library of scalar functions and operators of the Kusto Query Language, over columns.
//
// Operators are functions under their own spelling. The binder of package kql knows these names:
//
//   - - * / %                              two arguments; "-" also with one (negation)
//     == != < <= > >= =~ !~                  two
//     and or                                 two; "not" is the function not()
//     contains !contains contains_cs !contains_cs startswith !startswith startswith_cs !startswith_cs
//     endswith !endswith endswith_cs !endswith_cs has !has has_cs !has_cs hasprefix !hasprefix hasprefix_cs !hasprefix_cs
//     hassuffix !hassuffix hassuffix_cs !hassuffix_cs "matches regex"                          two
//     in !in in~ !in~ has_any has_all        the value, then any number of candidates; a dynamic array is its elements
//     between !between                       the value, low, high (both inclusive)
//     []                                     a dynamic, then a name (string) or a position (a whole number, negative from the end)
//
// Casts that a binder puts in (a value of a column made real, say) are the functions tobool, toint, tolong, toreal, todecimal,
// tostring, todatetime, totimespan, toguid and todynamic. Functions that need more than values, such as ago, now, toscalar, prev,
// row_number, ingestion_time, column_ifexists, pack_all and materialize, are not here: the binder has them.
package scalar

import (
	"maps"
	"slices"
	"time"

	"github.com/slipway-cd/slipway/kql/column"
)

// Context is what functions may know beside their arguments.
type Context struct {
	Now      time.Time // of the query: the same in all of it
	MaxBytes int64     // the most that one result may take; 0 is no bound
}

// Func is one scalar function or operator.
type Func struct {
	Name    string
	MinArgs int
	MaxArgs int // -1: any number

	// Resolve gives the type of the result for the types of the arguments (their number has been checked), or an error in words
	// without a position, such as "the first argument must be a string, not long". A literal null has the type its literal says.
	Resolve func(args []column.Type) (column.Type, error)

	// ResolveConst, if set, is called instead of Resolve and also sees the values of constant arguments; the vector of an argument
	// that is not constant is nil. For functions whose result's type, or whose validity, depends on a value (dynamic paths, the part
	// of datetime_diff, a regular expression).
	ResolveConst func(args []column.Type, consts []*column.Vector) (column.Type, error)

	// Eval computes n rows. Each argument has n rows, in any encoding: a constant is a vector that IsConst, and so may be the result.
	// If all but constants is one dictionary-coded argument, the caller has already replaced it by its dictionary, so that a
	// function of one column runs once per distinct value. The result has n rows and the resolved type. An error ends the query: bad
	// data gives null, not an error.
	Eval func(c *Context, args []*column.Vector, n int) (*column.Vector, error)

	// NotPure marks functions that give different results for the same arguments (rand, new_guid): they are not folded, nor
	// computed once per distinct value.
	NotPure bool

	// AutoName, if set, says how Kusto names an unnamed result: AutoNone gives Column1 (or print_0), AutoArg the name of the first
	// argument, AutoFuncArg "function_argument".
	AutoName AutoName
}

// AutoName is how the result of a function is named when the query does not name it.
type AutoName uint8

// The ways of naming.
const (
	AutoNone    AutoName = iota // Column1
	AutoArg                     // tostring(x): x
	AutoFuncArg                 // min_x
)

// Lookup finds a function or operator by its exact name.
func Lookup(name string) (*Func, bool) {
	f, ok := library[name]
	return f, ok
}

// Names gives the names of all functions and operators, sorted.
func Names() []string { return slices.Sorted(maps.Keys(library)) }

// library is what Lookup finds; it does not change.
var library = func() map[string]*Func {
	byName := map[string]*Func{}
	for _, family := range families() {
		for _, f := range family {
			byName[f.Name] = f
		}
	}
	return byName
}()
