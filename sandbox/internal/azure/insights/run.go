package insights

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// maxMemory bounds what one query may keep, in bytes.
const maxMemory = 512 << 20

// run answers a query over the rows that are visible now and generated in
// [from, to].
func (s *Server) run(ctx context.Context, query string, from, to, now time.Time) (result, *failure) {
	view, err := s.o.Store.View(from, to)
	if err != nil {
		s.o.Log.Error("telemetry cannot be read", "error", err)
		return result{}, fail(http.StatusInternalServerError, "InternalServerError", err.Error())
	}
	began := time.Now()
	if _, err := syntax.ParseQuery(query); err != nil {
		return result{}, s.explain(err, syntaxError)
	}
	q, err := kql.Compile(query, kql.SchemaOf(view))
	if err != nil {
		return result{}, s.explain(err, semanticError)
	}
	// Rows are not bounded here: an answer with too many is cut off and says so.
	table, stats, err := q.Run(ctx, view, kql.RunOptions{Now: now, MaxRows: -1, MaxBytes: maxMemory, Timeout: -1})
	switch {
	case ctx.Err() != nil:
		return result{}, gatewayTimeout()
	case err != nil:
		return result{}, s.explain(err, semanticError)
	}
	return result{table: table, took: time.Since(began), scanned: stats.RowsScanned}, nil
}

// explain words why a query has no answer. An error of the query itself is
// worded by wrong.
func (s *Server) explain(err error, wrong func(*kql.Error) apiError) *failure {
	var e *kql.Error
	var limit *kql.LimitError
	switch {
	case errors.As(err, &e):
		inner := wrong(e)
		if e.Line > 0 {
			pos := e.Column - 1
			inner.Inner.Line, inner.Inner.Pos = e.Line, &pos
		}
		return badArgument(inner)
	case errors.As(err, &limit):
		return badArgument(apiError{Code: "QueryLimitExceeded", Message: limit.Error()})
	}
	s.o.Log.Error("a query failed", "error", err)
	return fail(http.StatusInternalServerError, "InternalServerError", err.Error())
}

// syntaxError is the service's wording of a query that does not parse. What
// the engine says of it follows.
func syntaxError(e *kql.Error) apiError {
	token := tokenAt(e.Near, e.Column-1)
	return apiError{Code: "SyntaxError", Message: "A recognition error occurred in the query.", Inner: &apiError{
		Code: "SYN0002", Token: token,
		Message: fmt.Sprintf("Query could not be parsed at '%s' on line [%d,%d]: %s", token, e.Line, e.Column-1, e.Message),
	}}
}

// semanticError is the wording of a query that parses but means nothing. The
// service has its own code for names that it does not find; of the others the
// editors' codes are known.
func semanticError(e *kql.Error) apiError {
	code := e.Code
	if code == "KS142" || code == "KS204" {
		code = "SEM0100"
	}
	return apiError{Code: "SemanticError", Message: "A semantic error occurred.", Inner: &apiError{
		Code: code, Message: fmt.Sprintf("%s, at line [%d,%d]", e.Message, e.Line, e.Column-1),
	}}
}

// tokenAt is the word, or else the character, at a position of a line.
func tokenAt(line string, pos int) string {
	r := []rune(line)
	if pos < 0 || pos >= len(r) {
		return "" // the end of the query
	}
	end := pos
	for end < len(r) && (r[end] == '_' || unicode.IsLetter(r[end]) || unicode.IsDigit(r[end])) {
		end++
	}
	return string(r[pos:max(end, pos+1)])
}
