package syntax

import (
	"github.com/slipway-cd/slipway/kql/column"
)

// mv reads mv-expand and mv-apply.
func (p *parser) mv(op Op, apply bool) (Operator, error) {
	array, itemIndex := false, ""
	for {
		p.hints()
		if t, ok := p.option("kind"); ok {
			array = t.text == "array"
			if !array && t.text != "bag" {
				return nil, Errorf(t.pos, codeExpected, "expected bag or array, found %s", t)
			}
		} else if t, ok := p.option("bagexpansion"); ok {
			array = t.text == "array"
		} else if t, ok := p.option("with_itemindex"); ok {
			itemIndex = t.text
		} else {
			break
		}
	}
	var items []MvItem
	for {
		n, err := p.namedOne()
		if err != nil {
			return nil, err
		}
		item := MvItem{Named: n}
		if p.accept("to") {
			if !p.is("typeof") {
				return nil, p.want("typeof(…)")
			}
			t, err := p.typeOf()
			if err != nil {
				return nil, err
			}
			item.To = t.(*TypeOf).Type
		}
		items = append(items, item)
		if !p.accept(",") {
			break
		}
	}
	var limit Expr
	var err error
	if p.accept("limit") {
		if limit, err = p.additive(); err != nil {
			return nil, err
		}
	}
	if !apply {
		return &MvExpand{Op: op, Array: array, ItemIndex: itemIndex, Items: items, Limit: limit}, nil
	}
	if _, err := p.expect("on"); err != nil {
		return nil, err
	}
	sub, err := p.subquery()
	return &MvApply{Op: op, ItemIndex: itemIndex, Items: items, Limit: limit, Sub: sub}, err
}

func (p *parser) makeSeries(op Op) (Operator, error) {
	s := &MakeSeries{Op: op}
	p.hints()
	if t, ok := p.option("kind"); ok {
		if t.text != "nonempty" {
			return nil, Errorf(t.pos, codeExpected, "expected nonempty, found %s", t)
		}
		s.NonEmpty = true
	}
	var err error
	for {
		a := SeriesAgg{}
		if a.Named, err = p.namedOne(); err != nil {
			return nil, err
		}
		if p.accept("default") {
			if _, err := p.expect("="); err != nil {
				return nil, err
			}
			if a.Default, err = p.additive(); err != nil {
				return nil, err
			}
		}
		s.Aggs = append(s.Aggs, a)
		if !p.accept(",") {
			break
		}
	}
	if _, err := p.expect("on"); err != nil {
		return nil, err
	}
	if s.On, err = p.namedOne(); err != nil {
		return nil, err
	}
	if p.is("in") && p.ahead(1).is("range") {
		p.at += 2
		if err := p.inRange(s); err != nil {
			return nil, err
		}
	} else {
		if p.accept("from") {
			if s.From, err = p.additive(); err != nil {
				return nil, err
			}
		}
		if p.accept("to") {
			if s.To, err = p.additive(); err != nil {
				return nil, err
			}
		}
		if _, err := p.expect("step"); err != nil {
			return nil, err
		}
		if s.Step, err = p.additive(); err != nil {
			return nil, err
		}
	}
	if p.accept("by") {
		s.By, err = p.named()
	}
	return s, err
}

// inRange reads the older form of the axis: in range(from, to, step). Its end is inclusive, that of from … to is not.
func (p *parser) inRange(s *MakeSeries) error {
	return Errorf(p.peek().pos, "", "“in range(…)” of make-series is not supported: write from … to … step …")
}

func (p *parser) parse(op Op, where bool) (Operator, error) {
	x := &Parse{Op: op, Kind: "simple", Where: where}
	if t, ok := p.option("kind"); ok {
		x.Kind = t.text
		if x.Kind != "simple" && x.Kind != "regex" && x.Kind != "relaxed" {
			return nil, Errorf(t.pos, codeExpected, "expected simple, regex or relaxed, found %s", t)
		}
		if t, ok := p.option("flags"); ok {
			x.Flags = t.text
		}
	}
	var err error
	if x.X, err = p.operand(); err != nil {
		return nil, err
	}
	if _, err := p.expect("with"); err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		part := ParsePart{At: t.pos}
		text, isText := t.value.(string)
		switch {
		case t.is("*"):
			part.Star = true
			p.at++
		case isText:
			part.Text = text
			p.at++
		case t.kind == name:
			p.at++
			part.Name, part.Type = t.text, column.String
			if p.accept(":") {
				if part.Type, err = p.typeName(); err != nil {
					return nil, err
				}
			}
		default:
			if len(x.Pattern) == 0 {
				return nil, p.wantCode(codeMissing, "a pattern of texts, columns and *")
			}
			return x, nil
		}
		x.Pattern = append(x.Pattern, part)
	}
}

func (p *parser) parseKV(op Op) (Operator, error) {
	x := &ParseKV{Op: op}
	var err error
	if x.X, err = p.operand(); err != nil {
		return nil, err
	}
	if _, err := p.expect("as"); err != nil {
		return nil, err
	}
	if x.Columns, err = p.schema(); err != nil {
		return nil, err
	}
	if p.accept("with") {
		p.at--
		c, err := p.call()
		if err != nil {
			return nil, err
		}
		x.Options = c.Args
	}
	return x, nil
}
