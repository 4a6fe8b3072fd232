package syntax

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-cd/slipway/kql/column"
)

// MaxQuery is the longest query that is read, in bytes.
const MaxQuery = 1 << 20

type lexer struct {
	src    string
	at     int
	line   int
	column int // characters of the line up to count
	count  int // an offset; counted on from here, since a line may be as long as the query
	tokens []token
}

// punctuation, longest first.
var punctuation = []string{
	"==", "=~", "!=", "!~", "<=", ">=", "<>", "=>", "..",
	"(", ")", "[", "]", "{", "}", "|", ",", ";", ":", ".", "=", "<", ">", "+", "-", "*", "/", "%", "?", "$",
}

// lex cuts a query into tokens; the last is the end.
func lex(src string) ([]token, error) {
	if len(src) > MaxQuery {
		return nil, &Error{Message: "the query is longer than 1 MiB"}
	}
	if !utf8.ValidString(src) {
		return nil, &Error{Message: "the query is not UTF-8 text"}
	}
	l := &lexer{src: src, line: 1}
	for {
		if err := l.space(); err != nil {
			return nil, err
		}
		if l.at >= len(l.src) {
			l.tokens = append(l.tokens, token{kind: end, pos: l.pos(), end: l.at})
			return l.tokens, nil
		}
		t, err := l.token()
		if err != nil {
			return nil, err
		}
		t.end = l.at
		l.tokens = append(l.tokens, t)
	}
}

func (l *lexer) pos() Pos {
	l.column += utf8.RuneCountInString(l.src[l.count:l.at])
	l.count = l.at
	return Pos{Line: l.line, Column: l.column + 1, Offset: l.at}
}

func (l *lexer) newline() {
	l.at++
	l.line++
	l.column, l.count = 0, l.at
}

// space skips white space and comments.
func (l *lexer) space() error {
	for l.at < len(l.src) {
		switch c := l.src[l.at]; {
		case c == '\n':
			l.newline()
		case c == ' ' || c == '\t' || c == '\r':
			l.at++
		case strings.HasPrefix(l.src[l.at:], "//"):
			for l.at < len(l.src) && l.src[l.at] != '\n' {
				l.at++
			}
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(l.src[l.at:])
			if !unicode.IsSpace(r) && r != '\ufeff' {
				return nil
			}
			l.at += n
		default:
			return nil
		}
	}
	return nil
}

func wordStart(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func digit(c byte) bool     { return c >= '0' && c <= '9' }
func wordPart(c byte) bool  { return wordStart(c) || digit(c) }

func (l *lexer) peek(ahead int) byte {
	if l.at+ahead < len(l.src) {
		return l.src[l.at+ahead]
	}
	return 0
}

func (l *lexer) token() (token, error) {
	c := l.src[l.at]
	pos := l.pos()
	switch {
	case c == '"' || c == '\'':
		return l.text(pos)
	case (c == '@' || c == 'h' || c == 'H') && l.stringAhead():
		return l.text(pos)
	case strings.HasPrefix(l.src[l.at:], "```") || strings.HasPrefix(l.src[l.at:], "~~~"):
		return l.fenced(pos)
	case digit(c):
		return l.number(pos)
	case wordStart(c):
		return l.word(pos)
	case c == '$' && wordStart(l.peek(1)):
		l.at++
		t, err := l.word(pos)
		t.text = "$" + t.text
		return t, err
	case c == '[':
		if t, ok, err := l.quotedName(pos); ok || err != nil {
			return t, err
		}
	case c == '!' && wordStart(l.peek(1)):
		l.at++
		t, err := l.word(pos)
		t.kind, t.text = name, "!"+t.text
		return t, err
	}
	for _, p := range punctuation {
		if strings.HasPrefix(l.src[l.at:], p) {
			l.at += len(p)
			return token{kind: punct, text: p, pos: pos}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.src[l.at:])
	return token{}, Errorf(pos, codeCharacter, "the character %q has no meaning here", r)
}

// stringAhead reports whether a string with a prefix (@ for verbatim, h for secret) starts here.
func (l *lexer) stringAhead() bool {
	i := 0
	if c := l.peek(i); c == 'h' || c == 'H' {
		i++
	}
	if l.peek(i) == '@' {
		i++
	}
	return i > 0 && (l.peek(i) == '"' || l.peek(i) == '\'')
}

// text reads a string literal.
func (l *lexer) text(pos Pos) (token, error) {
	start := l.at
	verbatim := false
	for l.peek(0) != '"' && l.peek(0) != '\'' {
		verbatim = verbatim || l.peek(0) == '@'
		l.at++
	}
	quote := l.peek(0)
	l.at++
	var b strings.Builder
	for {
		if l.at >= len(l.src) || l.src[l.at] == '\n' && !verbatim {
			return token{}, Errorf(pos, codeUnclosed, "this string has no closing %c", quote)
		}
		c := l.src[l.at]
		switch {
		case c == quote && verbatim && l.peek(1) == quote:
			b.WriteByte(c)
			l.at += 2
		case c == quote:
			l.at++
			return token{kind: literal, text: l.src[start:l.at], typ: column.String, value: b.String(), pos: pos}, nil
		case c == '\\' && !verbatim:
			if err := l.escape(&b); err != nil {
				return token{}, err
			}
		case c == '\n':
			b.WriteByte(c)
			l.newline()
		default:
			b.WriteByte(c)
			l.at++
		}
	}
}

func (l *lexer) escape(b *strings.Builder) error {
	pos := l.pos()
	c := l.peek(1)
	simple := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v', '0': 0, '\\': '\\', '"': '"', '\'': '\''}
	if r, ok := simple[c]; ok {
		b.WriteByte(r)
		l.at += 2
		return nil
	}
	if n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]; n > 0 && l.at+2+n <= len(l.src) {
		if code, err := strconv.ParseUint(l.src[l.at+2:l.at+2+n], 16, 32); err == nil {
			l.at += 2 + n
			if hi := rune(code); c == 'u' && hi >= 0xD800 && hi < 0xDC00 && strings.HasPrefix(l.src[l.at:], `\u`) && l.at+6 <= len(l.src) {
				if lo, err := strconv.ParseUint(l.src[l.at+2:l.at+6], 16, 32); err == nil && lo >= 0xDC00 && lo < 0xE000 {
					l.at += 6
					code = uint64((hi-0xD800)<<10+(rune(lo)-0xDC00)) + 0x10000
				}
			}
			b.WriteRune(rune(code))
			return nil
		}
	}
	return Errorf(pos, codeCharacter, `a backslash starts an escape such as \n, \\ or \u0041; for a text with backslashes write @"…"`)
}

// fenced reads a multi-line string between ``` or ~~~.
func (l *lexer) fenced(pos Pos) (token, error) {
	fence := l.src[l.at : l.at+3]
	start := l.at
	stop := strings.Index(l.src[l.at+3:], fence)
	if stop < 0 {
		return token{}, Errorf(pos, codeUnclosed, "this string has no closing %s", fence)
	}
	value := l.src[l.at+3 : l.at+3+stop]
	for stop += 6; stop > 0; stop-- {
		if l.src[l.at] == '\n' {
			l.newline()
		} else {
			l.at++
		}
	}
	return token{kind: literal, text: l.src[start:l.at], typ: column.String, value: value, pos: pos}, nil
}

// quotedName reads ['any name']; an index such as d['key'] is the same text, and the parser tells them apart.
func (l *lexer) quotedName(pos Pos) (token, bool, error) {
	if c := l.peek(1); c != '\'' && c != '"' {
		return token{}, false, nil
	}
	save := *l
	l.at++
	t, err := l.text(pos)
	if err != nil {
		return token{}, false, err
	}
	if l.peek(0) != ']' {
		*l = save
		return token{}, false, nil
	}
	l.at++
	return token{kind: name, quoted: true, text: t.value.(string), pos: pos}, true, nil
}

// number reads a long, a real or a timespan.
func (l *lexer) number(pos Pos) (token, error) {
	start := l.at
	if l.peek(0) == '0' && (l.peek(1) == 'x' || l.peek(1) == 'X') {
		for l.at += 2; wordPart(l.peek(0)); l.at++ {
		}
		text := l.src[start:l.at]
		n, err := strconv.ParseUint(text[2:], 16, 64)
		if err != nil {
			return token{}, Errorf(pos, "", "%s is no hexadecimal number of 64 bits", text)
		}
		return token{kind: literal, text: text, typ: column.Long, value: int64(n), pos: pos}, nil
	}
	for digit(l.peek(0)) {
		l.at++
	}
	whole := true
	if l.peek(0) == '.' && l.peek(1) != '.' && !wordStart(l.peek(1)) {
		whole = false
		for l.at++; digit(l.peek(0)); l.at++ {
		}
	}
	if c := l.peek(0); c == 'e' || c == 'E' {
		n := 1
		if l.peek(n) == '+' || l.peek(n) == '-' {
			n++
		}
		if digit(l.peek(n)) {
			whole = false
			for l.at += n; digit(l.peek(0)); l.at++ {
			}
		}
	}
	num := l.src[start:l.at]
	for wordPart(l.peek(0)) {
		l.at++
	}
	text := l.src[start:l.at]
	if unit := text[len(num):]; unit != "" {
		if _, ok := column.Unit(unit); !ok {
			return token{}, Errorf(pos, "", "%s is neither a number nor a timespan (such as 5m, 1.5h, 30s)", text)
		}
		span, ok := column.ScaleUnit(num, unit)
		if !ok {
			return token{}, Errorf(pos, "", "the timespan %s is longer than ±29,000 years", text)
		}
		return token{kind: literal, text: text, typ: column.TimeSpan, value: span, pos: pos}, nil
	}
	if whole {
		n, err := strconv.ParseInt(num, 10, 64)
		if err != nil {
			return token{}, Errorf(pos, "", "%s does not fit a long (64 bits); write it as a real (%s.0)", num, num)
		}
		return token{kind: literal, text: text, typ: column.Long, value: n, pos: pos}, nil
	}
	f, err := strconv.ParseFloat(num, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return token{}, Errorf(pos, "", "%s is no number", num)
	}
	return token{kind: literal, text: text, typ: column.Real, value: f, pos: pos}, nil
}

// word reads a name, or a typed literal such as datetime(2024-01-01).
func (l *lexer) word(pos Pos) (token, error) {
	start := l.at
	for wordPart(l.peek(0)) {
		l.at++
	}
	word := l.src[start:l.at]
	t := token{kind: name, text: word, pos: pos}
	if word == "in" || word == "!in" {
		if l.peek(0) == '~' {
			l.at++
			t.text += "~"
		}
		return t, nil
	}
	if word == "true" || word == "false" {
		return token{kind: literal, text: word, typ: column.Bool, value: word == "true", pos: pos}, nil
	}
	typ, ok := literalTypes[word]
	if !ok || l.afterDot() {
		return t, nil
	}
	i := 0
	for l.peek(i) == ' ' || l.peek(i) == '\t' {
		i++
	}
	if l.peek(i) != '(' {
		return t, nil
	}
	stop := strings.IndexAny(l.src[l.at:], ")\n")
	if stop < 0 || l.src[l.at+stop] != ')' {
		return token{}, Errorf(pos, "", "%s( has no closing parenthesis", word)
	}
	raw := strings.TrimSpace(l.src[l.at+i+1 : l.at+stop])
	l.at += stop + 1
	value, err := parseLiteral(typ, raw)
	if err != nil {
		return token{}, Errorf(pos, "", "%s(%s): %v", word, raw, err)
	}
	return token{kind: literal, text: l.src[start:l.at], typ: typ, value: value, pos: pos}, nil
}

// afterDot reports whether the last token is a dot, so that what follows is a member and no literal.
func (l *lexer) afterDot() bool {
	return len(l.tokens) > 0 && l.tokens[len(l.tokens)-1].is(".")
}
