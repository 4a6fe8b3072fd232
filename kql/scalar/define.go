package scalar

import (
	"fmt"
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
)

// kernel computes n rows from arguments that already are what the parameters ask for.
type kernel func(c *Context, args []*column.Vector, n int) (*column.Vector, error)

// kind is what a parameter accepts, and what its kernel then reads.
type kind uint8

const (
	anyValue    kind = iota // every type, unconverted
	display                 // every type, read as string the way tostring() renders it
	text                    // string, or dynamic, read as string
	whole                   // int or long
	number                  // int, long, real or decimal, read as real
	truth                   // bool
	date                    // datetime
	span                    // timespan
	dynamics                // dynamic
	anyNumber               // int, long, real or decimal, unconverted
	smallNumber             // int, long or real, read as real
	texts                   // string, or a dynamic that may be an array of strings, unconverted
	wholes                  // int or long, or a dynamic that may be an array of them, unconverted
)

func (k kind) accepts(t column.Type) bool {
	switch k {
	case text, texts:
		return t == column.String || t == column.Dynamic
	case whole:
		return t == column.Int || t == column.Long
	case number, anyNumber:
		return t.Numeric()
	case smallNumber:
		return t.Numeric() && t != column.Decimal
	case wholes:
		return t == column.Int || t == column.Long || t == column.Dynamic
	case truth:
		return t == column.Bool
	case date:
		return t == column.DateTime
	case span:
		return t == column.TimeSpan
	case dynamics:
		return t == column.Dynamic
	}
	return true
}

// String names the kind in an error.
func (k kind) String() string {
	return [...]string{"a value", "a value", "a string or a dynamic", "a whole number", "a number", "a bool", "a datetime",
		"a timespan", "a dynamic", "a number", "an int, a long or a real", "a string or a dynamic",
		"a whole number or a dynamic"}[k]
}

func (k kind) read(v *column.Vector) *column.Vector {
	switch k {
	case display, text:
		return convert(column.String, v)
	case number, smallNumber:
		return convert(column.Real, v)
	}
	return v
}

// param is one parameter of a function.
type param struct {
	kind     kind
	optional bool
	repeat   bool // of the last one: it takes one or more arguments
}

func need(kinds ...kind) []param {
	params := make([]param, len(kinds))
	for i, k := range kinds {
		params[i] = param{kind: k}
	}
	return params
}

// opt adds optional parameters, many adds one that may be repeated.
func opt(params []param, kinds ...kind) []param {
	for _, k := range kinds {
		params = append(params, param{kind: k, optional: true})
	}
	return params
}

func many(k kind, params ...param) []param {
	return append(params, param{kind: k, repeat: true})
}

// define makes a function whose result always has the same type.
func define(name string, result column.Type, params []param, k kernel) *Func {
	return defineBy(name, params, func([]column.Type) (column.Type, error) { return result, nil }, k)
}

// defineBy makes a function whose result's type follows from those of its arguments.
func defineBy(name string, params []param, result func([]column.Type) (column.Type, error), k kernel) *Func {
	f := &Func{Name: name}
	for _, p := range params {
		if !p.optional {
			f.MinArgs++
		}
		f.MaxArgs++
	}
	repeated := len(params) > 0 && params[len(params)-1].repeat
	if repeated {
		f.MaxArgs = -1
	}
	at := func(i int) param { return params[min(i, len(params)-1)] }
	f.Resolve = func(args []column.Type) (column.Type, error) {
		for i, t := range args {
			if p := at(i); !p.kind.accepts(t) {
				return column.Invalid, badArgument(name, i, p.kind.String(), t)
			}
		}
		return result(args)
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		read := make([]*column.Vector, len(args))
		for i, v := range args {
			read[i] = at(i).kind.read(v)
		}
		return once(k, c, read, n)
	}
	return f
}

// once runs a kernel over one row if all arguments are constants.
func once(k kernel, c *Context, args []*column.Vector, n int) (*column.Vector, error) {
	for _, v := range args {
		if !v.IsConst() {
			return k(c, args, n)
		}
	}
	if len(args) == 0 {
		return k(c, args, n)
	}
	v, err := k(c, args, 1)
	if err != nil {
		return nil, err
	}
	return v.Repeat(0, n), nil
}

// check lets a function see its constant arguments when it is bound, so that a bad one is an error before data are read.
func (f *Func) check(valid func(consts []*column.Vector) error) *Func {
	resolve := f.Resolve
	f.ResolveConst = func(args []column.Type, consts []*column.Vector) (column.Type, error) {
		t, err := resolve(args)
		if err != nil {
			return column.Invalid, err
		}
		return t, valid(consts)
	}
	return f
}

// named sets how a result without a name is named.
func (f *Func) named(a AutoName) *Func {
	f.AutoName = a
	return f
}

// synonyms gives a function and copies of it under other names.
func synonyms(f *Func, names ...string) []*Func {
	all := []*Func{f}
	for _, name := range names {
		g := *f
		g.Name = name
		all = append(all, &g)
	}
	return all
}

func ordinal(i int) string {
	words := [...]string{"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"}
	if i < len(words) {
		return words[i]
	}
	return fmt.Sprintf("%dth", i+1)
}

// constText gives the text of a constant argument; ok is false if there is no such argument or it is not constant.
func constText(consts []*column.Vector, i int) (s string, ok bool) {
	if i >= len(consts) || consts[i] == nil || consts[i].Len() == 0 {
		return "", false
	}
	return convert(column.String, consts[i]).Str(0), true
}

// badChoice is the error for a constant argument that must be one of a few words.
func badChoice(which, name, got string, choices ...string) error {
	return fmt.Errorf("the %s argument of %s must be one of %s, not %q", which, name, strings.Join(choices, ", "), got)
}

func badArgument(name string, i int, want string, got column.Type) error {
	return fmt.Errorf("the %s argument of %s must be %s, not %s", ordinal(i), name, want, got)
}
