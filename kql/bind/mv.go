package bind

import (
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// expansion binds the items of mv-expand and mv-apply over rel: a node whose columns are those of rel, with the items in the place of
// columns of their names or behind. It tells which columns of rel were replaced.
func (b *binder) expansion(rel *relation, items []syntax.MvItem, index string, array bool, limit syntax.Expr, s *scope) (*relation, map[string]bool, error) {
	node := &exec.MvExpand{Input: rel.node}
	node.Array = array
	if limit != nil {
		n, err := b.rowCount(limit, s)
		if err != nil {
			return nil, nil, err
		}
		node.Limit = n
	}
	out := &relation{node: node, ingested: -1, serialized: rel.serialized}
	add := func(f column.Field, from int) {
		out.cols = append(out.cols, boundColumn{Field: f, at: len(node.Fields)})
		node.Fields, node.From = append(node.Fields, f), append(node.From, from)
	}
	for _, c := range rel.cols {
		add(c.Field, c.at)
	}
	replaced := map[string]bool{}
	names := newNamer(rel.names()...)
	e := &exprs{b: b, scope: s, row: rel}
	for i, item := range items {
		v, err := e.bind(item.X)
		if err != nil {
			return nil, nil, err
		}
		if v.Type() != column.Dynamic {
			return nil, nil, syntax.Errorf(item.At, codeWantedType, "only a dynamic has elements to make rows of, not a %s", v.Type())
		}
		to := item.To
		if to == column.Invalid {
			to = column.Dynamic
		}
		node.Items = append(node.Items, exec.ExpansionItem{X: v, To: to})
		name := nameOf(item.X)
		_, isColumn := item.X.(*syntax.Name)
		if len(item.Names) > 0 {
			name = item.Names[0]
		} else if !isColumn {
			name = names.auto(name)
		}
		f := column.Field{Name: name, Type: to}
		if at := out.index(name); at >= 0 {
			replaced[name] = true
			out.cols[at].Field, node.Fields[at], node.From[at] = f, f, exec.FromItem-i
		} else {
			add(f, exec.FromItem-i)
		}
	}
	if index != "" {
		add(column.Field{Name: names.auto(index), Type: column.Long}, exec.FromIndex)
	}
	if rel.ingested >= 0 {
		out.ingested = len(node.Fields)
		node.Fields, node.From = append(node.Fields, column.Field{Name: IngestedAt, Type: column.DateTime}), append(node.From, rel.ingested)
	}
	return out, replaced, nil
}

func (b *binder) mvExpand(rel *relation, op *syntax.MvExpand, s *scope) (*relation, error) {
	out, _, err := b.expansion(rel, op.Items, op.ItemIndex, op.Array, op.Limit, s)
	return out, err
}

// mvApply numbers the rows, expands them, and runs the subquery over the rows of each number.
func (b *binder) mvApply(rel *relation, op *syntax.MvApply, s *scope) (*relation, error) {
	numbered := &exec.Project{Input: rel.node, Whole: true}
	in := &relation{node: numbered, ingested: -1, serialized: rel.serialized}
	for i, c := range rel.cols {
		in.cols = append(in.cols, boundColumn{Field: c.Field, at: i})
		numbered.Fields, numbered.Exprs = append(numbered.Fields, c.Field), append(numbered.Exprs, rel.column(i))
	}
	part := column.Field{Name: "(row)", Type: column.Long} // no query can name it
	in.cols = append(in.cols, boundColumn{Field: part, at: len(numbered.Fields)})
	numbered.Fields = append(numbered.Fields, part)
	numbered.Exprs = append(numbered.Exprs, &exec.Window{Func: "row_number", Args: make([]exec.Expr, 2), T: column.Long})
	expanded, replaced, err := b.expansion(in, op.Items, op.ItemIndex, false, op.Limit, s)
	if err != nil {
		return nil, err
	}
	partAt := expanded.index(part.Name)
	node := &exec.Apply{Input: expanded.node, Part: expanded.column(partAt), Feed: &exec.Feed{Fields: expanded.node.Columns()}}
	feed := plain(node.Feed)
	feed.cols = append(feed.cols[:partAt:partAt], feed.cols[partAt+1:]...)
	feed.serialized = true
	sub, err := b.subquery(feed, op.Sub, s)
	if err != nil {
		return nil, err
	}
	node.Sub = sub.node
	out := &relation{node: node, ingested: -1}
	add := func(f column.Field, from int) {
		out.cols = append(out.cols, boundColumn{Field: f, at: len(node.Fields)})
		node.Fields, node.From = append(node.Fields, f), append(node.From, from)
	}
	for _, c := range rel.cols {
		if !replaced[c.Name] {
			add(c.Field, -1-expanded.cols[expanded.index(c.Name)].at)
		}
	}
	for _, c := range sub.cols {
		if out.index(c.Name) < 0 {
			add(c.Field, c.at)
			continue
		}
		if origin(sub.node, c.at, node.Feed) != expanded.cols[expanded.index(c.Name)].at {
			return nil, syntax.Errorf(op.At, "", "the subquery of mv-apply gives “%s” a new value, which the row already has: use another name", c.Name)
		}
	}
	return out, nil
}

// subquery binds the operators of mv-apply and partition.
func (b *binder) subquery(feed *relation, ops []syntax.Operator, s *scope) (*relation, error) {
	for _, op := range ops {
		switch op.(type) {
		case *syntax.As, *syntax.Evaluate:
			return nil, syntax.Errorf(op.Pos(), "", "this operator is not supported within a subquery")
		}
	}
	return b.pipe(feed, ops, s)
}

// origin gives the column of a feed that a column of a subquery passes on unchanged, or -1.
func origin(n exec.Node, at int, feed *exec.Feed) int {
	for {
		switch x := n.(type) {
		case *exec.Feed:
			if x == feed {
				return at
			}
			return -1
		case *exec.Filter:
			n = x.Input
		case *exec.Take:
			n = x.Input
		case *exec.Sort:
			n = x.Input
		case *exec.Project:
			c, ok := x.Exprs[at].(*exec.Column)
			if !ok {
				return -1
			}
			n, at = x.Input, c.Index
		case *exec.MvExpand:
			if x.From[at] < 0 {
				return -1
			}
			n, at = x.Input, x.From[at]
		case *exec.Parse:
			if x.From[at] < 0 {
				return -1
			}
			n, at = x.Input, x.From[at]
		case *exec.Summarize:
			if at >= len(x.Keys) {
				return -1
			}
			c, ok := x.Keys[at].(*exec.Column)
			if !ok {
				return -1
			}
			n, at = x.Input, c.Index
		default:
			return -1
		}
	}
}

// partition groups rows by a key and runs the subquery over each group.
func (b *binder) partition(rel *relation, op *syntax.Partition, s *scope) (*relation, error) {
	key, err := b.scalar(op.By, s, rel)
	if err != nil {
		return nil, err
	}
	if key.Type() == column.Dynamic {
		return nil, syntax.Errorf(op.By.Pos(), codeDynamic, "a dynamic cannot be grouped by: convert it first, with tostring() …")
	}
	numbered := &exec.Project{Input: rel.node, Whole: true}
	for i, f := range rel.node.Columns() {
		numbered.Fields, numbered.Exprs = append(numbered.Fields, f), append(numbered.Exprs, &exec.Column{Index: i, T: f.Type})
	}
	at := len(numbered.Fields)
	numbered.Fields = append(numbered.Fields, column.Field{Name: "(part)", Type: column.Long})
	numbered.Exprs = append(numbered.Exprs, &exec.GroupNumber{X: key})
	part := &exec.Column{Index: at, T: column.Long}
	sorted := &exec.Sort{Input: numbered, Keys: []exec.SortKey{{X: part, Ascending: true}}}
	node := &exec.Apply{Input: sorted, Part: part, Feed: &exec.Feed{Fields: numbered.Fields}}
	feed := rel.over(node.Feed)
	feed.serialized = false
	sub, err := b.subquery(feed, op.Sub, s)
	if err != nil {
		return nil, err
	}
	node.Sub = sub.node
	out := &relation{node: node, ingested: -1}
	for i, c := range sub.cols {
		out.cols = append(out.cols, boundColumn{Field: c.Field, at: i})
		node.Fields, node.From = append(node.Fields, c.Field), append(node.From, c.at)
	}
	return out, nil
}
