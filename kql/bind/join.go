package bind

import (
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

var joinKinds = map[string]exec.JoinKind{
	"innerunique": exec.InnerUnique, "inner": exec.Inner, "leftouter": exec.LeftOuter, "rightouter": exec.RightOuter, "fullouter": exec.FullOuter,
	"leftsemi": exec.LeftSemi, "rightsemi": exec.RightSemi, "leftanti": exec.LeftAnti, "rightanti": exec.RightAnti,
	"anti": exec.LeftAnti, "leftantisemi": exec.LeftAnti, "rightantisemi": exec.RightAnti,
}

// join binds join and lookup.
func (b *binder) join(rel *relation, op *syntax.Join, s *scope) (*relation, error) {
	kind, ok := joinKinds[op.Kind]
	switch {
	case op.Lookup && op.Kind == "":
		kind = exec.LeftOuter
	case op.Lookup && kind != exec.Inner && kind != exec.LeftOuter, op.Kind != "" && !ok:
		return nil, syntax.Errorf(op.KindAt, "KS005", "there is no join of the kind “%s” here", op.Kind)
	}
	right, err := b.table(op.Right, s)
	if err != nil {
		return nil, err
	}
	node := &exec.Join{Kind: kind, Left: rel.node, Right: right.node}
	matched := map[string]bool{} // columns of the right side that a lookup leaves out
	for _, cond := range op.On {
		for _, x := range conjuncts(cond) {
			if err := b.joinKey(node, x, rel, right, s, matched); err != nil {
				return nil, err
			}
		}
	}
	out := &relation{node: node, ingested: -1}
	names := newNamer()
	add := func(f column.Field, cols *[]int, at int) {
		*cols = append(*cols, at)
		f.Name = names.auto(f.Name)
		out.cols = append(out.cols, boundColumn{Field: f, at: len(node.Fields)})
		node.Fields = append(node.Fields, f)
	}
	if kind != exec.RightSemi && kind != exec.RightAnti {
		for _, c := range rel.cols {
			add(c.Field, &node.LeftCols, c.at)
		}
	}
	if kind != exec.LeftSemi && kind != exec.LeftAnti {
		for _, c := range right.cols {
			if !op.Lookup || !matched[c.Name] {
				add(c.Field, &node.RightCols, c.at)
			}
		}
	}
	return out, nil
}

// joinKey binds one condition: a name that both sides have, or an equality of $left and $right.
func (b *binder) joinKey(node *exec.Join, x syntax.Expr, left, right *relation, s *scope, matched map[string]bool) error {
	e := &exprs{b: b, scope: s, row: left, right: right}
	var l, r exec.Expr
	switch x := x.(type) {
	case *syntax.Name:
		i, k := left.index(x.Name), right.index(x.Name)
		if i < 0 || k < 0 {
			known := left.names()
			if i >= 0 {
				known = right.names()
			}
			return unknown(x.At, codeBothSides, "column that both sides of the join have,", x.Name, known)
		}
		l, r = left.column(i), right.column(k)
		matched[x.Name] = true
	case *syntax.Binary:
		if x.Op != "==" {
			return syntax.Errorf(syntax.Start(x), codeJoinForm, "a join is on equality alone, not on %s: filter with where behind it", x.Op)
		}
		ls, rs := joinSide(x.L), joinSide(x.R)
		a, z := x.L, x.R
		if ls == "$right" && rs == "$left" {
			a, z = x.R, x.L
		} else if ls != "$left" || rs != "$right" {
			return syntax.Errorf(syntax.Start(x), codeJoinForm, "a join's condition is a column, or $left.column == $right.column")
		}
		var err error
		if l, err = e.bind(a); err != nil {
			return err
		}
		if r, err = e.bind(z); err != nil {
			return err
		}
		if m, ok := z.(*syntax.Member); ok {
			matched[m.Name] = true
		}
	default:
		return syntax.Errorf(syntax.Start(x), codeJoinForm, "a join's condition is a column, or $left.column == $right.column")
	}
	if l.Type() == column.Dynamic || r.Type() == column.Dynamic {
		return syntax.Errorf(syntax.Start(x), codeJoinDynamic, "a dynamic cannot be joined on: convert it first, with tostring() …")
	}
	if l.Type() != r.Type() {
		whole := func(t column.Type) bool { return t == column.Int || t == column.Long }
		if _, byName := x.(*syntax.Name); byName {
			return syntax.Errorf(x.Pos(), codeJoinSameType, "the column is %s on the left and %s on the right: convert one of them", l.Type(), r.Type())
		}
		if !whole(l.Type()) || !whole(r.Type()) {
			return syntax.Errorf(syntax.Start(x), codeJoinTypes, "a %s cannot be joined with a %s: convert one of them", l.Type(), r.Type())
		}
		var err error
		if l, err = e.convert(x.Pos(), l, column.Long); err != nil {
			return err
		}
		if r, err = e.convert(x.Pos(), r, column.Long); err != nil {
			return err
		}
	}
	node.LeftKeys, node.RightKeys = append(node.LeftKeys, l), append(node.RightKeys, r)
	return nil
}

// joinSide gives the one of $left and $right that all columns of an expression belong to.
func joinSide(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.Member:
		if n, ok := x.X.(*syntax.Name); ok && strings.HasPrefix(n.Name, "$") {
			return n.Name
		}
		return joinSide(x.X)
	case *syntax.Index:
		return joinSide(x.X)
	case *syntax.Call:
		for _, a := range x.Args {
			if s := joinSide(a.X); s != "" {
				return s
			}
		}
	}
	return ""
}
