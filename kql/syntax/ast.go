// Package syntax reads the text of a Kusto query into a tree. It knows no tables, types of columns or functions: package kql binds
// the tree against those.
package syntax

import "github.com/slipway-cd/slipway/kql/column"

// Query is a parsed query: statements that name things, and the expression that is its answer.
type Query struct {
	Lets   []*Let
	Result Expr
}

// Let names a value, a table or a function: let x = …
type Let struct {
	At    Pos // of the name
	Name  string
	Value Expr // *Function for a function or a view
}

// Function is (parameters) { body }, also with the word view.
type Function struct {
	At     Pos
	View   bool
	Params []Param
	Lets   []*Let
	Result Expr // nil only of a body that is empty
}

// Param is a parameter of a function: a scalar, or a table if Table is set.
type Param struct {
	At      Pos
	Name    string
	Type    column.Type
	Table   bool
	Columns []Column // of a table; nil for (*)
	Default Expr     // or nil
}

// Column is name: type.
type Column struct {
	At   Pos
	Name string
	Type column.Type
}

// Expr is a scalar or tabular expression. Which of the two a name or a call is, only the binder knows.
type Expr interface{ Pos() Pos }

// Expressions.
type (
	// Literal is a constant with its type; Value is nil for null.
	Literal struct {
		At    Pos
		Type  column.Type
		Value column.Value
		Text  string
	}
	// Name is a column, a let name, a table, or one of $left and $right.
	Name struct {
		At     Pos
		Name   string
		Quoted bool // in brackets and quotes
	}
	// Wildcard is a pattern of names with asterisks; "*" alone is all columns.
	Wildcard struct {
		At      Pos
		Pattern string
	}
	// Call is a function with arguments, or an aggregate.
	Call struct {
		At   Pos
		Func string
		Args []Arg
		End  int // offset behind the closing parenthesis
	}
	// Member is x.name.
	Member struct {
		X    Expr
		At   Pos // of the name
		Name string
	}
	// Index is x[i].
	Index struct {
		X  Expr
		At Pos // of the bracket
		I  Expr
	}
	// Unary is -x or +x.
	Unary struct {
		At Pos
		Op string
		X  Expr
	}
	// Binary is an operator between two operands, by the name that package scalar has for it.
	Binary struct {
		At   Pos // of the operator
		Op   string
		L, R Expr
	}
	// In is x in (…), has_any, has_all and their kin.
	In struct {
		At   Pos // of the operator
		Op   string
		X    Expr
		List []Expr
	}
	// Between is x between (low .. high), or !between.
	Between struct {
		At      Pos // of the operator
		Op      string
		X       Expr
		Low, Hi Expr
	}
	// TypeOf is typeof(type).
	TypeOf struct {
		At   Pos
		Type column.Type
	}
	// Pipe is a source with operators behind it, or a source that only can be a table.
	Pipe struct {
		Source Expr // or a Source: *DataTable, *Range, *Print, *Union
		Ops    []Operator
	}
)

// Arg is an argument of a call, with a name if it was written as name=value.
type Arg struct {
	Name string
	At   Pos
	X    Expr
}

// Named is an expression in a list, with the names that were put before an equals sign.
type Named struct {
	At    Pos
	Names []string // none, one, or several in parentheses
	X     Expr
}

// Pos of an expression is where its error messages point.
func (x *Literal) Pos() Pos  { return x.At }
func (x *Name) Pos() Pos     { return x.At }
func (x *Wildcard) Pos() Pos { return x.At }
func (x *Call) Pos() Pos     { return x.At }
func (x *Member) Pos() Pos   { return x.At }
func (x *Index) Pos() Pos    { return x.At }
func (x *Unary) Pos() Pos    { return x.At }
func (x *Binary) Pos() Pos   { return x.At }
func (x *In) Pos() Pos       { return x.At }
func (x *Between) Pos() Pos  { return x.At }
func (x *TypeOf) Pos() Pos   { return x.At }
func (x *Function) Pos() Pos { return x.At }
func (x *Pipe) Pos() Pos     { return x.Source.Pos() }

// Start is where the text of an expression begins; Pos of an operation is its operator.
func Start(x Expr) Pos {
	for {
		switch y := x.(type) {
		case *Member:
			x = y.X
		case *Index:
			x = y.X
		case *Binary:
			x = y.L
		case *In:
			x = y.X
		case *Between:
			x = y.X
		case *Pipe:
			x = y.Source
		default:
			return x.Pos()
		}
	}
}
