package syntax

import (
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
)

// expr reads an expression, and the operators behind it if it is a table.
func (p *parser) expr() (Expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.shallower()
	source, err := p.source()
	if err != nil {
		return nil, err
	}
	if !p.is("|") {
		return source, nil
	}
	ops, err := p.operators()
	if err != nil {
		return nil, err
	}
	return &Pipe{Source: source, Ops: ops}, nil
}

func (p *parser) operators() ([]Operator, error) {
	var ops []Operator
	for p.accept("|") {
		if err := p.chain(len(ops)); err != nil {
			return nil, err
		}
		op, err := p.operator()
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// source reads an expression without operators behind it.
func (p *parser) source() (Expr, error) {
	t, after := p.peek(), p.ahead(1)
	if t.kind == name && !t.quoted && after.kind != end && !after.is("|") && !after.is(";") && !after.is("=") {
		switch t.text {
		case "datatable":
			if after.is("(") {
				return p.dataTable()
			}
		case "range":
			if after.kind == name {
				return p.rangeSource()
			}
		case "print":
			if !after.is("==") && !after.is(".") {
				return p.print()
			}
		case "union":
			op, err := p.union()
			if err != nil {
				return nil, err
			}
			return op.(*Union), nil
		case "evaluate":
			if after.kind == name {
				op, err := p.evaluate()
				if err != nil {
					return nil, err
				}
				return op.(*Evaluate), nil
			}
		case "externaldata", "search", "find":
			if after.kind == name || after.is("(") || after.kind == literal {
				return nil, Errorf(t.pos, "", "“%s” is not supported: name the table to read", t.text)
			}
		}
	}
	return p.or()
}

type level func(*parser) (Expr, error)

func (p *parser) or() (Expr, error)  { return p.binary((*parser).and, "or") }
func (p *parser) and() (Expr, error) { return p.binary((*parser).equality, "and") }
func (p *parser) additive() (Expr, error) {
	return p.binary((*parser).multiplicative, "+", "-")
}
func (p *parser) multiplicative() (Expr, error) {
	return p.binary((*parser).stringOperator, "*", "/", "%")
}

// binary reads operands of the level below with any of the operators between them.
func (p *parser) binary(below level, ops ...string) (Expr, error) {
	x, err := below(p)
	for n := 0; err == nil; n++ {
		t := p.peek()
		if !t.isOne(ops) {
			return x, nil
		}
		if err := p.chain(n); err != nil {
			return nil, err
		}
		p.at++
		var r Expr
		if r, err = below(p); err == nil {
			x = &Binary{At: t.pos, Op: t.text, L: x, R: r}
		}
	}
	return nil, err
}

func (t token) isOne(of []string) bool {
	for _, text := range of {
		if t.is(text) {
			return true
		}
	}
	return false
}

var (
	equals    = []string{"==", "!=", "<>"}
	ordering  = []string{"<", "<=", ">", ">="}
	listOps   = []string{"in", "!in", "in~", "!in~", "has_any", "has_all"}
	stringOps = []string{
		"=~", "!~", "has", "!has", "has_cs", "!has_cs", "hasprefix", "!hasprefix", "hasprefix_cs", "!hasprefix_cs",
		"hassuffix", "!hassuffix", "hassuffix_cs", "!hassuffix_cs", "contains", "!contains", "contains_cs", "!contains_cs",
		"startswith", "!startswith", "startswith_cs", "!startswith_cs", "endswith", "!endswith", "endswith_cs", "!endswith_cs",
	}
)

func (p *parser) equality() (Expr, error) {
	x, err := p.relational()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	switch {
	case t.isOne(equals):
		p.at++
		r, err := p.relational()
		if err != nil {
			return nil, err
		}
		if p.peek().isOne(equals) {
			return nil, Errorf(p.peek().pos, codeUnexpected, "comparisons do not chain: put one of them in parentheses")
		}
		op := t.text
		if op == "<>" {
			op = "!="
		}
		return &Binary{At: t.pos, Op: op, L: x, R: r}, nil
	case t.isOne(listOps):
		p.at++
		if _, err := p.expect("("); err != nil {
			return nil, err
		}
		in := &In{At: t.pos, Op: t.text, X: x}
		in.List, err = p.list(")")
		return in, err
	case t.is("between") || t.is("!between"):
		p.at++
		return p.between(t, x)
	}
	return x, nil
}

func (p *parser) between(op token, x Expr) (Expr, error) {
	if _, err := p.expect("("); err != nil {
		return nil, err
	}
	low, err := p.additive()
	if err != nil {
		return nil, err
	}
	if _, err := p.expect(".."); err != nil {
		return nil, err
	}
	high, err := p.additive()
	if err != nil {
		return nil, err
	}
	_, err = p.expect(")")
	return &Between{At: op.pos, Op: op.text, X: x, Low: low, Hi: high}, err
}

// list reads expressions up to the closing bracket, with commas between them.
func (p *parser) list(closing string) ([]Expr, error) {
	var xs []Expr
	for !p.accept(closing) {
		x, err := p.expr()
		if err != nil {
			return nil, err
		}
		xs = append(xs, x)
		if !p.accept(",") && !p.is(closing) {
			return nil, p.want("“,” or “" + closing + "”")
		}
	}
	return xs, nil
}

func (p *parser) relational() (Expr, error) {
	x, err := p.additive()
	if err != nil || !p.peek().isOne(ordering) {
		return x, err
	}
	t := p.next()
	r, err := p.additive()
	if err != nil {
		return nil, err
	}
	if p.peek().isOne(ordering) {
		return nil, Errorf(p.peek().pos, codeUnexpected, "comparisons do not chain: write a < b and b < c, or between (… .. …)")
	}
	return &Binary{At: t.pos, Op: t.text, L: x, R: r}, nil
}

// stringOperator reads has, contains and their kin, which bind more tightly than arithmetic.
func (p *parser) stringOperator() (Expr, error) {
	x, err := p.operand()
	for n := 0; err == nil; n++ {
		t := p.peek()
		switch {
		case t.is("matches") && p.ahead(1).is("regex"):
			p.at += 2
			t.text = "matches regex"
		case t.isOne(stringOps):
			p.at++
		default:
			return x, nil
		}
		if err := p.chain(n); err != nil {
			return nil, err
		}
		var r Expr
		if r, err = p.operand(); err == nil {
			x = &Binary{At: t.pos, Op: t.text, L: x, R: r}
		}
	}
	return nil, err
}

// operand reads a value with its sign, members and indexes.
func (p *parser) operand() (Expr, error) {
	if t := p.peek(); t.is("-") || t.is("+") {
		if err := p.deeper(); err != nil {
			return nil, err
		}
		defer p.shallower()
		p.at++
		x, err := p.operand()
		return &Unary{At: t.pos, Op: t.text, X: x}, err
	}
	x, err := p.primary()
	for n := 0; err == nil; n++ {
		if err := p.chain(n); err != nil {
			return nil, err
		}
		t := p.peek()
		switch {
		case t.is("."):
			p.at++
			m := p.peek()
			if m.kind == punct && m.text == "[" { // a.[0] is a[0]
				continue
			}
			if m.kind != name {
				return nil, p.want("the name of a member after “.”")
			}
			p.at++
			x = &Member{X: x, At: m.pos, Name: m.text}
		case t.kind == name && t.quoted: // d['key']
			p.at++
			x = &Index{X: x, At: t.pos, I: &Literal{At: t.pos, Type: column.String, Value: t.text, Text: t.text}}
		case t.is("["):
			p.at++
			i, err := p.expr()
			if err != nil {
				return nil, err
			}
			if _, err := p.expect("]"); err != nil {
				return nil, err
			}
			x = &Index{X: x, At: t.pos, I: i}
		default:
			return x, nil
		}
	}
	return nil, err
}

func (p *parser) primary() (Expr, error) {
	t := p.peek()
	switch {
	case t.kind == literal:
		p.at++
		return &Literal{At: t.pos, Type: t.typ, Value: t.value, Text: t.text}, nil
	case t.is("("):
		p.at++
		x, err := p.expr()
		if err != nil {
			return nil, err
		}
		_, err = p.expect(")")
		return x, err
	case t.is("*"):
		p.at++
		return &Wildcard{At: t.pos, Pattern: "*"}, nil
	case t.kind != name || strings.HasPrefix(t.text, "!"):
		return nil, p.wantCode(codeMissing, "an expression")
	case t.is("dynamic") && p.ahead(1).is("("):
		return p.dynamic()
	case t.is("typeof") && p.ahead(1).is("("):
		return p.typeOf()
	case !t.quoted && p.ahead(1).is("("):
		return p.call()
	}
	p.at++
	return &Name{At: t.pos, Name: t.text, Quoted: t.quoted}, nil
}

func (p *parser) typeOf() (Expr, error) {
	at := p.next().pos
	if _, err := p.expect("("); err != nil {
		return nil, err
	}
	t, err := p.typeName()
	if err != nil {
		return nil, err
	}
	_, err = p.expect(")")
	return &TypeOf{At: at, Type: t}, err
}

func (p *parser) call() (*Call, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.shallower()
	f, err := p.name("a function")
	if err != nil {
		return nil, err
	}
	if _, err := p.expect("("); err != nil {
		return nil, err
	}
	c := &Call{At: f.pos, Func: f.text}
	for !p.is(")") {
		a := Arg{At: p.peek().pos}
		if p.peek().kind == name && p.ahead(1).is("=") {
			a.Name = p.next().text
			p.at++
		}
		if a.X, err = p.expr(); err != nil {
			return nil, err
		}
		c.Args = append(c.Args, a)
		if !p.accept(",") && !p.is(")") {
			return nil, p.want("“,” or “)” in the arguments of " + f.text + "()")
		}
	}
	c.End = p.next().end
	return c, nil
}
