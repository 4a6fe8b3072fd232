package syntax

import "github.com/slipway-cd/slipway/kql/column"

type kind uint8

const (
	end     kind = iota
	name         // a word, or a quoted name ['a b']
	literal      // a number, string, timespan, or typed literal such as datetime(2024-01-01)
	punct        // an operator or a bracket
)

// token is a word of a query.
type token struct {
	kind   kind
	text   string // as written; of a name, the name
	quoted bool   // the name was in ['…'], so that it is no keyword
	typ    column.Type
	value  column.Value
	pos    Pos
	end    int // offset behind it
}

func (t token) is(text string) bool {
	return (t.kind == punct || t.kind == name && !t.quoted) && t.text == text
}

// String describes the token for an error.
func (t token) String() string {
	switch t.kind {
	case end:
		return "the end of the query"
	case name:
		return "“" + t.text + "”"
	case literal:
		return "the literal " + t.text
	}
	return "“" + t.text + "”"
}
