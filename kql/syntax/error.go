package syntax

import "fmt"

// Pos is a place in a query. Lines and columns count from 1; a column is a character, not a byte. The zero Pos is no place.
type Pos struct {
	Line, Column int
	Offset       int // in bytes, from 0
}

// String gives "line:column".
func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }

// Error is what is wrong with a query, and where.
type Error struct {
	Code    string // Kusto's own code (KS142), or "" where it has none
	Message string // what is wrong and, where it is known, what to write instead
	Line    int    // from 1; 0 if the error has no place
	Column  int    // from 1
	Near    string // the line of the query, without its end
}

// Error gives the place, the message and the code in one line.
func (e *Error) Error() string {
	s := e.Message
	if e.Line > 0 {
		s = fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, s)
	}
	if e.Code != "" {
		s += " [" + e.Code + "]"
	}
	return s
}

// Errorf makes an error at a place of a query.
func Errorf(at Pos, code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Line: at.Line, Column: at.Column}
}

// Codes that Kusto's own parser has for texts that are no queries.
const (
	codeUnclosed   = "KS001" // a string without an end
	codeCharacter  = "KS002" // a character that starts nothing
	codeExpected   = "KS005" // another token is expected
	codeMissing    = "KS006" // an expression is missing
	codeType       = "KS160" // no type of this name
	codeOperator   = "KS176" // no operator of this name
	codeUnexpected = "KS198" // more than the grammar has here
)
