package syntax

import (
	"github.com/slipway-cd/slipway/kql/column"
)

// union reads union, as a source or as an operator.
func (p *parser) union() (Operator, error) {
	u := &Union{Op: Op{At: p.next().pos}}
	for {
		p.hints()
		if t, ok := p.option("kind"); ok {
			switch t.text {
			case "inner":
				u.Inner = true
			case "outer":
			default:
				return nil, Errorf(t.pos, codeExpected, "expected inner or outer, found %s", t)
			}
		} else if t, ok := p.option("withsource"); ok {
			u.WithSource = t.text
		} else if t, ok := p.option("with_source"); ok {
			u.WithSource = t.text
		} else if t, ok := p.option("isfuzzy"); ok {
			u.Fuzzy = t.value == true
		} else {
			break
		}
	}
	for {
		x, err := p.unionTable()
		if err != nil {
			return nil, err
		}
		u.Tables = append(u.Tables, x)
		if !p.accept(",") {
			return u, nil
		}
	}
}

func (p *parser) unionTable() (Expr, error) {
	t, after := p.peek(), p.ahead(1)
	if t.is("*") || t.kind == name && after.is("*") && after.pos.Offset == t.end {
		text, at, err := p.pattern("a table")
		return &Wildcard{At: at, Pattern: text}, err
	}
	return p.operand()
}

func (p *parser) dataTable() (Expr, error) {
	d := &DataTable{Op: Op{At: p.next().pos}}
	var err error
	if d.Columns, err = p.schema(); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind == name && t.quoted { // ['a'] is one value, not a name
		p.at++
		d.Values = []Expr{&Literal{At: t.pos, Type: column.String, Value: t.text, Text: t.text}}
		return d, nil
	}
	if _, err := p.expect("["); err != nil {
		return nil, err
	}
	d.Values, err = p.list("]")
	return d, err
}

func (p *parser) rangeSource() (Expr, error) {
	r := &Range{Op: Op{At: p.next().pos}}
	n, err := p.name("the column's name")
	if err != nil {
		return nil, err
	}
	r.Name = n.text
	for _, part := range []struct {
		word string
		to   *Expr
	}{{"from", &r.From}, {"to", &r.To}, {"step", &r.Step}} {
		if _, err := p.expect(part.word); err != nil {
			return nil, err
		}
		if *part.to, err = p.additive(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (p *parser) print() (Expr, error) {
	pr := &Print{Op: Op{At: p.next().pos}}
	var err error
	pr.Exprs, err = p.named()
	return pr, err
}
