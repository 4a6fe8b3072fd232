package syntax

import "github.com/slipway-cd/slipway/kql/column"

// Operator is a step of a pipe. Each is named as in the language.
type Operator interface{ Pos() Pos }

// Op is the place of an operator's name; all operators embed it.
type Op struct{ At Pos }

// Pos gives the place.
func (o Op) Pos() Pos { return o.At }

// Sources that only can be tables.
type (
	// DataTable is datatable(columns) [values].
	DataTable struct {
		Op
		Columns []Column
		Values  []Expr
	}
	// Range is range name from a to b step c.
	Range struct {
		Op
		Name           string
		From, To, Step Expr
	}
	// Print is print expressions.
	Print struct {
		Op
		Exprs []Named
	}
)

// Operators.
type (
	// Where keeps the rows for which Cond is true; also written filter.
	Where struct {
		Op
		Cond Expr
	}
	// Extend adds or replaces columns.
	Extend struct {
		Op
		Exprs []Named
	}
	// Project makes the columns that are listed.
	Project struct {
		Op
		Exprs []Named
	}
	// Select is project-away, project-keep or project-reorder.
	Select struct {
		Op
		Kind  string // "away", "keep", "reorder"
		Items []SelectItem
	}
	// Rename is project-rename new = old.
	Rename struct {
		Op
		Pairs []Named
	}
	// Summarize groups rows.
	Summarize struct {
		Op
		Aggs, By []Named
		HasBy    bool
	}
	// Distinct gives each combination once; no expressions mean all columns.
	Distinct struct {
		Op
		Exprs []Named
	}
	// Sort orders rows; also written order.
	Sort struct {
		Op
		Keys []SortKey
	}
	// Top is the first N rows by the keys.
	Top struct {
		Op
		N    Expr
		Keys []SortKey
	}
	// Take is any N rows; also written limit. Sample is the same for us, but says so.
	Take struct {
		Op
		N      Expr
		Sample bool
	}
	// SampleDistinct is N distinct values of X.
	SampleDistinct struct {
		Op
		N Expr
		X Named
	}
	// Count is the number of rows.
	Count struct{ Op }
	// Union is the rows of several tables; as an operator, its input is the first.
	Union struct {
		Op
		Inner      bool
		WithSource string
		Fuzzy      bool
		Tables     []Expr // names may be *Wildcard
	}
	// Join pairs rows with those of Right; also lookup.
	Join struct {
		Op
		Lookup bool
		Kind   string // as written, or ""
		KindAt Pos
		Right  Expr
		On     []Expr
	}
	// MvExpand makes a row of each element of a dynamic.
	MvExpand struct {
		Op
		Array     bool // kind=array
		ItemIndex string
		Items     []MvItem
		Limit     Expr
	}
	// MvApply runs a subquery over the elements of each row.
	MvApply struct {
		Op
		ItemIndex string
		Items     []MvItem
		Limit     Expr
		Sub       []Operator
	}
	// MakeSeries aggregates into arrays along an axis.
	MakeSeries struct {
		Op
		NonEmpty       bool
		Aggs           []SeriesAgg
		On             Named
		From, To, Step Expr // From and To may be nil
		By             []Named
	}
	// Parse takes columns out of a text; parse-where also drops the rows that do not match.
	Parse struct {
		Op
		Kind    string // "simple", "regex" or "relaxed"
		Flags   string
		X       Expr
		Where   bool
		Pattern []ParsePart
	}
	// ParseKV is parse-kv.
	ParseKV struct {
		Op
		X       Expr
		Columns []Column
		Options []Arg
	}
	// Serialize fixes the order of rows, and may add columns.
	Serialize struct {
		Op
		Exprs []Named
	}
	// As names the table for the rest of the query.
	As struct {
		Op
		Name string
	}
	// Render says how to draw the result; it changes nothing.
	Render struct{ Op }
	// GetSchema gives the columns as rows.
	GetSchema struct{ Op }
	// Evaluate calls a plugin.
	Evaluate struct {
		Op
		Call *Call
	}
	// Invoke calls a function with the input as its first argument.
	Invoke struct {
		Op
		Call *Call
	}
	// Reduce groups texts by likeness.
	Reduce struct {
		Op
		X Named
	}
	// Partition runs a subquery for each value of a column.
	Partition struct {
		Op
		By  Expr
		Sub []Operator
	}
)

// SelectItem is a name or pattern of project-away, -keep or -reorder.
type SelectItem struct {
	At      Pos
	Pattern string
	Order   string // "asc", "desc", "granny-asc", "granny-desc" or ""
}

// SortKey is an expression to sort by.
type SortKey struct {
	X          Expr
	Ascending  bool
	NullsFirst bool
}

// MvItem is a dynamic of mv-expand or mv-apply.
type MvItem struct {
	Named
	To column.Type // Invalid if there is no "to typeof()"
}

// SeriesAgg is an aggregate of make-series.
type SeriesAgg struct {
	Named
	Default Expr // or nil
}

// ParsePart is a part of a parse pattern: a star, a text, or a column.
type ParsePart struct {
	At   Pos
	Star bool
	Text string // of a text
	Name string // of a column; else ""
	Type column.Type
}
