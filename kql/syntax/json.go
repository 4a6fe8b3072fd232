package syntax

import (
	"github.com/slipway-cd/slipway/kql/column"
)

// dynamic reads dynamic(…): JSON with the language's own literals in it.
func (p *parser) dynamic() (Expr, error) {
	t := p.next()
	p.at++
	v, err := p.json()
	if err != nil {
		return nil, err
	}
	stop, err := p.expect(")")
	if err != nil {
		return nil, err
	}
	return &Literal{At: t.pos, Type: column.Dynamic, Value: v, Text: p.src[t.pos.Offset:stop.end]}, nil
}

func (p *parser) json() (column.Value, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.shallower()
	t := p.peek()
	switch {
	case t.kind == literal:
		p.at++
		return t.value, nil
	case t.is("-") || t.is("+"):
		p.at++
		switch n := p.peek().value.(type) {
		case int64:
			p.at++
			if t.text == "-" {
				n = -n
			}
			return n, nil
		case float64:
			p.at++
			if t.text == "-" {
				n = -n
			}
			return n, nil
		}
		return nil, p.want("a number")
	case t.is("null"):
		p.at++
		return nil, nil
	case t.is("dynamic") && p.ahead(1).is("("):
		x, err := p.dynamic()
		if err != nil {
			return nil, err
		}
		return x.(*Literal).Value, nil
	case t.kind == name && t.quoted: // ['one text']
		p.at++
		return []column.Value{t.text}, nil
	case t.is("["):
		p.at++
		list := []column.Value{}
		for !p.accept("]") {
			v, err := p.json()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
			if !p.accept(",") && !p.is("]") {
				return nil, p.want("“,” or “]”")
			}
		}
		return list, nil
	case t.is("{"):
		p.at++
		return p.jsonBag()
	}
	return nil, p.want("a value of JSON")
}

func (p *parser) jsonBag() (column.Value, error) {
	bag := &column.Bag{}
	for !p.accept("}") {
		k := p.peek()
		key, ok := k.value.(string)
		if !ok {
			return nil, p.want("a name in quotes")
		}
		p.at++
		if _, err := p.expect(":"); err != nil {
			return nil, err
		}
		v, err := p.json()
		if err != nil {
			return nil, err
		}
		bag.Set(key, v)
		if !p.accept(",") && !p.is("}") {
			return nil, p.want("“,” or “}”")
		}
	}
	return bag, nil
}
