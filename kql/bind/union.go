package bind

import (
	"slices"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// union binds union as a source (input is nil) or as an operator.
func (b *binder) union(input *relation, op *syntax.Union, s *scope) (*relation, error) {
	var parts []*relation
	if input != nil {
		parts = append(parts, input)
	}
	for _, x := range op.Tables {
		if w, ok := x.(*syntax.Wildcard); ok {
			more, err := b.wildcardTables(w, s)
			if err != nil {
				return nil, err
			}
			parts = append(parts, more...)
			continue
		}
		if op.Fuzzy && b.missing(x, s) {
			continue
		}
		rel, err := b.table(x, s)
		if err != nil {
			return nil, err
		}
		parts = append(parts, rel)
	}
	if len(parts) == 0 {
		return nil, syntax.Errorf(op.At, codeTable, "none of the tables of this union exists")
	}
	return b.unite(op, parts)
}

// missing tells whether an expression is the name of a table that is not there, which a fuzzy union passes over.
func (b *binder) missing(x syntax.Expr, s *scope) bool {
	n, ok := x.(*syntax.Name)
	if !ok {
		return false
	}
	_, local := s.find(n.Name)
	_, table := b.schema.Table(n.Name)
	return !local && !table
}

func (b *binder) wildcardTables(w *syntax.Wildcard, s *scope) ([]*relation, error) {
	var parts []*relation
	for _, name := range slices.Sorted(slices.Values(b.schema.Names())) {
		if !matches(w.Pattern, name) {
			continue
		}
		rel, err := b.namedTable(&syntax.Name{At: w.At, Name: name}, nil)
		if err != nil {
			return nil, err
		}
		parts = append(parts, rel)
	}
	if len(parts) == 0 {
		return nil, syntax.Errorf(w.At, codeTable, "no table fits “%s”", w.Pattern)
	}
	return parts, nil
}

// united is a column of a union: a name with one of its types.
type united struct {
	column.Field
	name  string // in the result
	typed bool   // the name has the type in it
}

// unite lays the columns of tables over one another: the same name and type is one column. A name with several types is as many
// columns, called name_type.
func (b *binder) unite(op *syntax.Union, parts []*relation) (*relation, error) {
	columns := unitedColumns(parts, op.Inner)
	node := &exec.Union{}
	names := newNamer()
	if op.WithSource != "" {
		node.Fields = append(node.Fields, column.Field{Name: names.auto(op.WithSource), Type: column.String})
	}
	for i, c := range columns { // names that keep their form come first
		if !c.typed {
			columns[i].name = names.auto(c.name)
		}
	}
	for i, c := range columns {
		if c.typed {
			columns[i].name = names.auto(c.name)
		}
	}
	for _, c := range columns {
		node.Fields = append(node.Fields, column.Field{Name: c.name, Type: c.Type})
	}
	ingested := false
	for _, p := range parts {
		ingested = ingested || p.ingested >= 0
	}
	out := &relation{node: node, ingested: -1}
	for i, f := range node.Fields {
		out.cols = append(out.cols, boundColumn{Field: f, at: i})
	}
	if ingested {
		out.ingested = len(node.Fields)
		node.Fields = append(node.Fields, column.Field{Name: IngestedAt, Type: column.DateTime})
	}
	for i, p := range parts {
		in := exec.UnionInput{Node: p.node, Source: p.name}
		if in.Source == "" {
			in.Source = "union_arg" + itoa(i)
		}
		if op.WithSource != "" {
			in.From = append(in.From, exec.FromSource)
		}
		for _, c := range columns {
			from := exec.FromNothing
			if k := p.index(c.Name); k >= 0 && p.cols[k].Type == c.Type {
				from = p.cols[k].at
			}
			in.From = append(in.From, from)
		}
		if ingested {
			in.From = append(in.From, p.ingested) // -1 is FromNothing
		}
		node.Inputs = append(node.Inputs, in)
	}
	return out, nil
}

func unitedColumns(parts []*relation, inner bool) []united {
	types := map[string][]column.Type{}
	var order []string
	for _, p := range parts {
		for _, c := range p.cols {
			if types[c.Name] == nil {
				order = append(order, c.Name)
			}
			if !slices.Contains(types[c.Name], c.Type) {
				types[c.Name] = append(types[c.Name], c.Type)
			}
		}
	}
	var columns []united
	for _, name := range order {
		if inner && !everywhere(parts, name, types[name]) {
			continue
		}
		for _, t := range types[name] {
			c := united{Field: column.Field{Name: name, Type: t}, name: name}
			if len(types[name]) > 1 {
				c.name, c.typed = name+"_"+t.String(), true
			}
			columns = append(columns, c)
		}
	}
	return columns
}

// everywhere tells whether all tables have a column in one type, as kind=inner wants it.
func everywhere(parts []*relation, name string, types []column.Type) bool {
	for _, p := range parts {
		if p.index(name) < 0 {
			return false
		}
	}
	return len(types) == 1
}
