package syntax

import (
	"errors"
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
)

// Bounds on the shape of a query, so that no text can exhaust the stack.
const (
	maxDepth = 150   // expressions within expressions
	maxChain = 5_000 // operators after one another: a or b or c …, or | where … | where …
)

// ParseQuery reads a query. An error is an *Error with the place; Near is set.
func ParseQuery(src string) (*Query, error) {
	q, err := parse(src)
	return q, WithLine(err, src)
}

// WithLine sets Near of an *Error from its line of the query's text. Other errors pass unchanged.
func WithLine(err error, src string) error {
	var e *Error
	if !errors.As(err, &e) || e.Near != "" || e.Line < 1 {
		return err
	}
	for range e.Line - 1 {
		_, src, _ = strings.Cut(src, "\n")
	}
	line, _, _ := strings.Cut(src, "\n")
	e.Near = strings.TrimRight(line, "\r")
	return err
}

func parse(src string) (*Query, error) {
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{src: src, tokens: tokens}
	lets, result, err := p.statements("")
	if err != nil {
		return nil, err
	}
	if result == nil {
		return nil, p.wantCode(codeMissing, "a query: a table's name, then operators after |")
	}
	return &Query{Lets: lets, Result: result}, nil
}

type parser struct {
	src    string
	tokens []token
	at     int
	depth  int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) ahead(n int) token {
	return p.tokens[min(p.at+n, len(p.tokens)-1)]
}

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

func (p *parser) is(text string) bool { return p.peek().is(text) }

// accept takes the token if it is the one asked for.
func (p *parser) accept(text string) bool {
	if p.is(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) want(what string) error { return p.wantCode(codeExpected, what) }

func (p *parser) wantCode(code, what string) error {
	t := p.peek()
	return Errorf(t.pos, code, "expected %s, found %s", what, t)
}

func (p *parser) expect(text string) (token, error) {
	if p.is(text) {
		return p.next(), nil
	}
	return token{}, p.want("“" + text + "”")
}

func (p *parser) name(what string) (token, error) {
	if p.peek().kind != name || strings.HasPrefix(p.peek().text, "!") {
		return token{}, p.want(what)
	}
	return p.next(), nil
}

// deeper guards the stack; the caller defers p.shallower.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return Errorf(p.peek().pos, "", "the query is nested deeper than %d; split it with let", maxDepth)
	}
	return nil
}

func (p *parser) shallower() { p.depth-- }

// chain guards loops that build a tree as deep as they are long.
func (p *parser) chain(n int) error {
	if n > maxChain {
		return Errorf(p.peek().pos, "", "more than %d operators after one another", maxChain)
	}
	return nil
}

// statements reads until the closing bracket, or the end if there is none.
func (p *parser) statements(closing string) ([]*Let, Expr, error) {
	var lets []*Let
	var result Expr
	for {
		if p.peek().kind == end || closing != "" && p.is(closing) {
			return lets, result, nil
		}
		if result != nil {
			return nil, nil, Errorf(p.peek().pos, "", "a second query after the first is not supported: only one gives the answer; name the others with let")
		}
		t := p.peek()
		switch {
		case t.is("let"):
			l, err := p.let()
			if err != nil {
				return nil, nil, err
			}
			lets = append(lets, l)
		case t.is("set") && p.ahead(1).kind == name:
			for p.peek().kind != end && !p.is(";") { // options of the engine; none changes an answer
				p.at++
			}
		case (t.is("declare") || t.is("alias") || t.is("restrict")) && p.ahead(1).kind == name:
			return nil, nil, Errorf(t.pos, "", "the statement “%s” is not supported", t.text)
		default:
			x, err := p.expr()
			if err != nil {
				return nil, nil, err
			}
			result = x
		}
		if !p.accept(";") && p.peek().kind != end && (closing == "" || !p.is(closing)) {
			return nil, nil, p.want(afterExpr(result != nil))
		}
	}
}

func afterExpr(result bool) string {
	if result {
		return "“|” and an operator, or the end"
	}
	return "“;”"
}

func (p *parser) let() (*Let, error) {
	p.at++
	n, err := p.name("a name after let")
	if err != nil {
		return nil, err
	}
	if _, err := p.expect("="); err != nil {
		return nil, err
	}
	l := &Let{At: n.pos, Name: n.text}
	if p.functionAhead() {
		l.Value, err = p.function()
	} else {
		l.Value, err = p.expr()
	}
	return l, err
}

// functionAhead tells (a: long) { … } from an expression in parentheses.
func (p *parser) functionAhead() bool {
	i := 0
	if p.is("view") {
		i++
	}
	if !p.ahead(i).is("(") {
		return false
	}
	if i == 1 {
		return true
	}
	return p.ahead(1).is(")") && p.ahead(2).is("{") || p.ahead(1).kind == name && p.ahead(2).is(":")
}

func (p *parser) function() (Expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.shallower()
	f := &Function{At: p.peek().pos, View: p.accept("view")}
	if _, err := p.expect("("); err != nil {
		return nil, err
	}
	for !p.accept(")") {
		prm, err := p.param()
		if err != nil {
			return nil, err
		}
		f.Params = append(f.Params, prm)
		if !p.accept(",") && !p.is(")") {
			return nil, p.want("“,” or “)”")
		}
	}
	if _, err := p.expect("{"); err != nil {
		return nil, err
	}
	var err error
	if f.Lets, f.Result, err = p.statements("}"); err != nil {
		return nil, err
	}
	if f.Result == nil {
		return nil, p.wantCode(codeMissing, "the expression that is the function's result")
	}
	_, err = p.expect("}")
	return f, err
}

func (p *parser) param() (Param, error) {
	n, err := p.name("a parameter's name")
	if err != nil {
		return Param{}, err
	}
	prm := Param{At: n.pos, Name: n.text}
	if _, err := p.expect(":"); err != nil {
		return prm, err
	}
	if p.accept("(") {
		prm.Table = true
		if p.accept("*") {
			_, err = p.expect(")")
			return prm, err
		}
		p.at--
		prm.Columns, err = p.schema()
		return prm, err
	}
	if prm.Type, err = p.typeName(); err != nil {
		return prm, err
	}
	if p.accept("=") {
		prm.Default, err = p.operand()
	}
	return prm, err
}

// schema reads (name: type, …).
func (p *parser) schema() ([]Column, error) {
	if _, err := p.expect("("); err != nil {
		return nil, err
	}
	columns := []Column{}
	for !p.accept(")") {
		n, err := p.name("a column's name")
		if err != nil {
			return nil, err
		}
		if _, err := p.expect(":"); err != nil {
			return nil, err
		}
		t, err := p.typeName()
		if err != nil {
			return nil, err
		}
		columns = append(columns, Column{At: n.pos, Name: n.text, Type: t})
		if !p.accept(",") && !p.is(")") {
			return nil, p.want("“,” or “)”")
		}
	}
	return columns, nil
}

func (p *parser) typeName() (column.Type, error) {
	t := p.peek()
	typ, ok := column.ParseType(t.text)
	if t.kind != name || !ok {
		return column.Invalid, p.wantCode(codeType, "a type (bool, int, long, real, decimal, string, datetime, timespan, guid or dynamic)")
	}
	p.at++
	return typ, nil
}
