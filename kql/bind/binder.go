// Package bind turns a parsed query into a plan: it finds tables, columns and functions, checks types, and names the columns of
// results as Kusto does.
package bind

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// IngestedAt is the column of a table that ingestion_time() reads. Queries do not see it otherwise.
const IngestedAt = "_IngestedAt"

// Codes of errors that Kusto's own parser has too.
const (
	codeColumn    = "KS142" // no such column, table or variable
	codeArity     = "KS119" // wrong number of arguments
	codeTypes     = "KS106" // an operator is not defined for the types
	codeArgType   = "KS107" // an argument of another type is wanted
	codeArgument  = "KS127" // a function does not take these types
	codeTable     = "KS204" // no such table
	codeFunction  = "KS211" // no such function
	codeDuplicate = "KS171" // a column of this name is already there
	codeAggregate = "KS144" // an aggregate in the wrong place
	codeDynamic   = "KS116" // a dynamic in the wrong place

	codeAfterText    = "KS101" // a column of parse must follow a text
	codeColumnName   = "KS109" // a column is wanted, not an expression
	codePlugin       = "KS124" // no such plugin
	codeWhole        = "KS134" // a whole number is wanted
	codeSummable     = "KS138" // a number or a timespan is wanted
	codeZero         = "KS140" // the value must not be 0
	codeWantedType   = "KS141" // an expression of another type is wanted
	codeBothSides    = "KS145" // a join's column must be on both sides
	codeValues       = "KS173" // a datatable's last row is not full
	codeStep         = "KS178" // a step that does not fit its axis
	codeJoinForm     = "KS182" // a join's condition of another form
	codeLetTwice     = "KS201" // a variable of this name is there
	codeOrderable    = "KS206" // values that have an order are wanted
	codeJoinSameType = "KS227" // a join's column must have one type
	codeOutside      = "KS236" // a column outside of an aggregate
	codeJoinDynamic  = "KS241" // a join on a dynamic
	codeJoinTypes    = "KS242" // a join of different types
	codeTableShape   = "KS249" // a table without the columns of the parameter
)

// ErrLate says that the columns of a result depend on data (evaluate pivot, bag_unpack): the query can be bound only where it runs.
var ErrLate = errors.New("the columns depend on the data")

// Schema tells which tables there are.
type Schema interface {
	Table(name string) ([]column.Field, bool)
	Names() []string
}

// maxNodes bounds a plan: functions that call functions can make a small text a huge plan.
const maxNodes = 20_000

// Query binds a query. The run is where plugins whose columns depend on data are computed at once; without one such a query gives
// ErrLate. Errors in the query are of type *syntax.Error.
func Query(q *syntax.Query, schema Schema, run *exec.Run) (exec.Node, error) {
	b := &binder{schema: schema, run: run}
	s := &scope{}
	if err := b.lets(q.Lets, s, false); err != nil {
		return nil, err
	}
	rel, err := b.table(q.Result, s)
	if err != nil {
		return nil, err
	}
	return rel.visible(), nil
}

type binder struct {
	schema Schema
	run    *exec.Run
	nodes  int
}

// step counts work against maxNodes.
func (b *binder) step(at syntax.Pos) error {
	if b.nodes++; b.nodes > maxNodes {
		return syntax.Errorf(at, "", "the query is too large once its functions are put in: more than %d parts", maxNodes)
	}
	return nil
}

// scope is the names that let made.
type scope struct {
	outer *scope
	name  string
	value binding
}

// binding is what a name stands for: exactly one member is set.
type binding struct {
	scalar exec.Expr
	table  *relation
	fn     *function
}

// function is a lambda with the scope of its definition.
type function struct {
	*syntax.Function
	scope *scope
	name  string
	shape tableness // found at the first call
}

// tableness is whether a function gives a table.
type tableness uint8

const (
	undecided tableness = iota
	tabular
	scalarValued
)

func (s *scope) with(name string, v binding) *scope { return &scope{outer: s, name: name, value: v} }

func (s *scope) find(name string) (binding, bool) {
	for ; s != nil; s = s.outer {
		if s.name == name && name != "" {
			return s.value, true
		}
	}
	return binding{}, false
}

func (s *scope) names() []string {
	var all []string
	for ; s != nil; s = s.outer {
		if s.name != "" {
			all = append(all, s.name)
		}
	}
	return all
}

// lets binds statements one after the other into s. In the body of a function that is called for each row they may depend on the row.
func (b *binder) lets(lets []*syntax.Let, s *scope, perRow bool) error {
	for i, l := range lets {
		for _, earlier := range lets[:i] {
			if earlier.Name == l.Name {
				return syntax.Errorf(l.At, codeLetTwice, "a variable “%s” is already there", l.Name)
			}
		}
		v, err := b.let(l, s, perRow)
		if err != nil {
			return err
		}
		before := *s
		*s = scope{outer: &before, name: l.Name, value: v}
	}
	return nil
}

func (b *binder) let(l *syntax.Let, s *scope, perRow bool) (binding, error) {
	if f, ok := l.Value.(*syntax.Function); ok {
		before := *s
		return binding{fn: &function{Function: f, scope: &before, name: l.Name}}, nil
	}
	if b.tabular(l.Value, s, nil) {
		rel, err := b.table(l.Value, s)
		return binding{table: rel}, err
	}
	e, err := (&exprs{b: b, scope: s, perRow: perRow}).bind(l.Value)
	return binding{scalar: e}, err
}

// tabular tells whether an expression is a table. Columns of the row hide tables of the same name.
func (b *binder) tabular(x syntax.Expr, s *scope, row *relation) bool {
	switch x := x.(type) {
	case *syntax.Pipe, *syntax.DataTable, *syntax.Range, *syntax.Print, *syntax.Union, *syntax.Evaluate:
		return true
	case *syntax.Name:
		if row != nil && row.index(x.Name) >= 0 {
			return false
		}
		if v, ok := s.find(x.Name); ok {
			return v.table != nil || v.fn != nil && b.functionTabular(v.fn)
		}
		_, ok := b.schema.Table(x.Name)
		return ok
	case *syntax.Call:
		if v, ok := s.find(x.Func); ok && v.fn != nil {
			return b.functionTabular(v.fn)
		}
		switch x.Func {
		case "materialize":
			return len(x.Args) == 1 && b.tabular(x.Args[0].X, s, row)
		case "table":
			return true
		}
	}
	return false
}

// functionTabular tells whether a function gives a table, from the shape of its body.
func (b *binder) functionTabular(f *function) bool {
	if f.shape == undecided {
		f.shape = scalarValued
		if b.bodyTabular(f) {
			f.shape = tabular
		}
	}
	return f.shape == tabular
}

func (b *binder) bodyTabular(f *function) bool {
	s := *f.scope
	inner := &s
	for _, p := range f.Params {
		v := binding{scalar: &exec.Const{T: p.Type}}
		if p.Table {
			v = binding{table: &relation{}}
		}
		inner = inner.with(p.Name, v)
	}
	for _, l := range f.Lets {
		v := binding{scalar: &exec.Const{T: column.Long}}
		switch {
		case b.isFunction(l.Value):
			v = binding{fn: &function{Function: l.Value.(*syntax.Function), scope: inner, name: l.Name}}
		case b.tabular(l.Value, inner, nil):
			v = binding{table: &relation{}}
		}
		inner = inner.with(l.Name, v)
	}
	return b.tabular(f.Result, inner, nil)
}

func (b *binder) isFunction(x syntax.Expr) bool {
	_, ok := x.(*syntax.Function)
	return ok
}

// relation is a bound table: a node, and which of its columns queries see.
type relation struct {
	node       exec.Node
	cols       []boundColumn
	ingested   int // index in the node of the ingestion time, or -1
	serialized bool
	name       string // of the table or view it comes from
}

type boundColumn struct {
	column.Field
	at int // index in the node
}

// plain is a relation that shows all columns of a node.
func plain(n exec.Node) *relation {
	r := &relation{node: n, ingested: -1}
	for i, f := range n.Columns() {
		r.cols = append(r.cols, boundColumn{Field: f, at: i})
	}
	return r
}

func (r *relation) index(name string) int {
	for i, c := range r.cols {
		if c.Name == name {
			return i
		}
	}
	return -1
}

func (r *relation) names() []string {
	names := make([]string, len(r.cols))
	for i, c := range r.cols {
		names[i] = c.Name
	}
	return names
}

func (r *relation) column(i int) *exec.Column {
	return &exec.Column{Index: r.cols[i].at, T: r.cols[i].Type}
}

// visible is a node of only the columns that are seen.
func (r *relation) visible() exec.Node {
	if len(r.cols) == len(r.node.Columns()) {
		straight := true
		for i, c := range r.cols {
			straight = straight && c.at == i && r.node.Columns()[i] == c.Field
		}
		if straight {
			return r.node
		}
	}
	p := &exec.Project{Input: r.node}
	for i, c := range r.cols {
		p.Fields = append(p.Fields, c.Field)
		p.Exprs = append(p.Exprs, r.column(i))
	}
	return p
}

// project makes a relation of new columns over r, and keeps the ingestion time beside them.
func (r *relation) project(fields []column.Field, exprs []exec.Expr, whole bool) *relation {
	p := &exec.Project{Input: r.node, Fields: slices.Clone(fields), Exprs: slices.Clone(exprs), Whole: whole}
	out := &relation{node: p, ingested: -1, serialized: r.serialized, name: r.name}
	for i, f := range fields {
		out.cols = append(out.cols, boundColumn{Field: f, at: i})
	}
	if r.ingested >= 0 {
		out.ingested = len(p.Fields)
		p.Fields = append(p.Fields, column.Field{Name: IngestedAt, Type: column.DateTime})
		p.Exprs = append(p.Exprs, &exec.Column{Index: r.ingested, T: column.DateTime})
	}
	return out
}

// over is the same relation over another node with the same columns.
func (r *relation) over(n exec.Node) *relation {
	out := *r
	out.node = n
	return &out
}

// unknown makes the error about a name, with the nearest one that exists.
func unknown(at syntax.Pos, code, what, name string, known []string) error {
	best, distance := "", max(2, len(name)/3)+1
	for _, k := range known {
		d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(k))
		if d < distance || d == distance && best != "" && k < best {
			best, distance = k, d
		}
	}
	msg := fmt.Sprintf("there is no %s “%s”", what, name)
	if best != "" && best != name {
		msg += fmt.Sprintf("; did you mean “%s”?", best)
	}
	return syntax.Errorf(at, code, "%s", msg)
}
