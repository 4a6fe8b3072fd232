package secret

import (
	"encoding/base64"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// pattern is a secret in all its spellings: for each element of it, the ways in which that element can be written. So a
// text that escapes some characters and not others is found too.
type pattern [][]string

// match finds the pattern at the start of b. n is the length of the longest match, 0 for none; more says that b ends inside
// of what may yet become a longer one.
func (p pattern) match(b []byte) (n int, more bool) {
	ends := []int{0} // where the elements so far may end
	for _, element := range p {
		var next []int
		for _, end := range ends {
			for _, spelling := range element {
				switch rest := b[end:]; {
				case len(rest) >= len(spelling):
					if string(rest[:len(spelling)]) == spelling && !slices.Contains(next, end+len(spelling)) {
						next = append(next, end+len(spelling))
					}
				case strings.HasPrefix(spelling, string(rest)):
					more = true
				}
			}
		}
		if ends = next; len(ends) == 0 {
			return 0, more
		}
	}
	return slices.Max(ends), more
}

// firsts are the bytes with which a match can begin.
func (p pattern) firsts() []byte {
	var firsts []byte
	for _, spelling := range p[0] {
		if !slices.Contains(firsts, spelling[0]) {
			firsts = append(firsts, spelling[0])
		}
	}
	return firsts
}

// plain is a value as text: as it is, and escaped for URLs, JSON (once and twice), Go, HTML and XML.
func plain(value string) pattern {
	var p pattern
	for len(value) > 0 {
		r, size := utf8.DecodeRuneInString(value)
		p = append(p, spellings(r, value[:size]))
		value = value[size:]
	}
	return p
}

// spellings of one character; raw is how it stands in the value.
func spellings(r rune, raw string) []string {
	all := []string{raw}
	add := func(forms ...string) { all = append(all, forms...) }
	var upper, lower strings.Builder
	for i := range len(raw) {
		fmt.Fprintf(&upper, "%%%02X", raw[i])
		fmt.Fprintf(&lower, "%%%02x", raw[i])
	}
	add(upper.String(), lower.String())
	switch {
	case r == ' ':
		add("+")
	case r == utf8.RuneError && len(raw) == 1: // a byte that is no character: JSON and XML replace it
		add(fmt.Sprintf(`\x%02x`, raw[0]), fmt.Sprintf(`\\x%02x`, raw[0]), "\uFFFD", `\ufffd`, `\\ufffd`)
		return distinct(all)
	case r < ' ', r == '\uFFFE', r == '\uFFFF': // XML has no such characters
		add("\uFFFD")
	}
	for _, unit := range []string{`\u%04x`, `\u%04X`} {
		escaped := ""
		for _, u := range utf16.Encode([]rune{r}) {
			escaped += fmt.Sprintf(unit, u)
		}
		add(escaped)
	}
	add(inner(strconv.Quote(raw)), inner(strconv.QuoteToASCII(raw)))
	if r == '/' || r == '"' || r == '\'' || r == '\\' || r == '`' || r == '$' { // PHP's JSON escapes the slash, shells the others
		add(`\` + raw)
	}
	if r == '\'' {
		add(`'\''`, `''`) // shells, and YAML in single quotes
	}
	add(html.EscapeString(raw), fmt.Sprintf("&#%d;", r), fmt.Sprintf("&#x%x;", r), fmt.Sprintf("&#x%X;", r))
	if r == '"' {
		add("&quot;")
	}
	if r == '\'' {
		add("&apos;")
	}
	for _, form := range slices.Clone(all) { // JSON inside of JSON
		add(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(form))
	}
	return distinct(all)
}

// inner takes the quotes off.
func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

// encodings are a value in base64: alone, and as a part of what was encoded, at an offset of 0, 1 or 2 bytes in it, as a
// password is behind a user name. Of a part, the characters that depend on the bytes around it too are left out.
func encodings(value string) []pattern {
	all := []pattern{digits(base64.RawStdEncoding.EncodeToString([]byte(value)))}
	for offset := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), value...))
		all = append(all, digits(text[(offset*8+5)/6:(offset+len(value))*8/6]))
	}
	return slices.DeleteFunc(all, func(p pattern) bool { return len(p) < minEncoded })
}

// digits are characters of base64, in both alphabets and escaped.
func digits(text string) pattern {
	var p pattern
	for _, c := range text {
		switch c {
		case '+':
			p = append(p, []string{"+", "-", "%2B", "%2b", `\u002b`, `\u002B`, "&#43;"})
		case '/':
			p = append(p, []string{"/", "_", "%2F", "%2f", `\/`})
		default:
			p = append(p, []string{string(c)})
		}
	}
	return p
}

func distinct(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}
