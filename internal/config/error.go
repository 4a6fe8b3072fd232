package config

import (
	"fmt"
	"sort"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Error is everything that is wrong with one file, in the order of the file. It is never empty.
// Use errors.As to get at the single problems; callers report wrong usage (exit code 2).
type Error struct {
	Problems []Problem
	// Err is the cause where there is one outside the file, for example fs.ErrNotExist.
	Err error
}

// Problem is one thing that is wrong.
type Problem struct {
	File string `json:"file"`
	// Line and Column start at 1 and count characters, not bytes; 0 means that the problem has no place in the file.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Path names the value, for example "environments.prod1.strategy.canary.steps[2]"; empty for the file as a whole.
	Path string `json:"path,omitempty"`
	// Message is one sentence that says what is wrong and, where it is known, what to write instead.
	Message string `json:"message"`
	// Source is the line of the file; empty where there is none to show.
	Source string `json:"source,omitempty"`
}

// maxShown bounds how many problems Error writes out: a wrong file altogether should not flood a terminal.
const maxShown = 100

// Error is each problem with its place, the line of the file and a caret below the column.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == maxShown {
			fmt.Fprintf(&b, "\n… and %d more problems", len(e.Problems)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// Unwrap is the cause outside the file, or nil.
func (e *Error) Unwrap() error { return e.Err }

// String is the problem as an editor and a person can follow it: file:line:column: message, then the line with a caret.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	b.WriteString(p.Message)
	if p.Line > 0 && p.Source != "" {
		source, caret := excerpt(p.Source, p.Column)
		number := fmt.Sprintf("%5d", p.Line)
		fmt.Fprintf(&b, "\n%s | %s\n%s | %s^", number, source, strings.Repeat(" ", len(number)), strings.Repeat(" ", caret))
	}
	return b.String()
}

// excerptWidth bounds how much of a line is shown, in characters, so that the caret stays on the screen.
const excerptWidth = 100

// excerpt is the part of the line around the column (which starts at 1) that can be shown, and the caret's offset in it.
func excerpt(line string, column int) (string, int) {
	runes := []rune(line)
	for i, r := range runes {
		if r < ' ' || (r >= 0x7f && r < 0xa0) { // a tab too: one column, so that the caret stands where it should
			runes[i] = ' '
		}
	}
	at := min(max(column-1, 0), len(runes))
	from := 0
	if at > excerptWidth-20 {
		from = at - (excerptWidth - 20)
	}
	to := min(len(runes), from+excerptWidth)
	shown := strings.TrimRight(string(runes[from:to]), " ")
	if to < len(runes) {
		shown += "…"
	}
	if from > 0 {
		return "…" + shown, at - from + 1
	}
	return shown, at
}

// nearest is the known word that the given one was probably meant to be, or "".
func nearest(given string, known []string) string {
	best, bestDistance := "", min(3, max(1, len(given)/2))+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(given), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// didYouMean is `; did you mean "x"?` for the nearest known word, or else the list of the known words.
func didYouMean(given string, known []string, what string) string {
	known = append([]string(nil), known...)
	sort.Strings(known)
	if best := nearest(given, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(known) == 0 {
		return fmt.Sprintf("; there are no %s", what)
	}
	return fmt.Sprintf("; the %s are %s", what, strings.Join(known, ", "))
}
