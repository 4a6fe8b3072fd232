package front

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

// newPage puts style and script into the one document: behind a canary's gateway, a
// second request might be answered by another version. The content security policy
// names both by hash and allows nothing else but calls to where the page came from.
func newPage() (http.Handler, error) {
	doc := pageHTML
	for mark, part := range map[string]string{"/*page.css*/": pageCSS, "/*page.js*/": pageJS} {
		if strings.Count(doc, mark) != 1 {
			return nil, errors.New("page.html must hold the mark " + mark + " once")
		}
		doc = strings.Replace(doc, mark, part, 1)
	}
	policy := "default-src 'none'; style-src " + source(pageCSS) + "; script-src " + source(pageJS) +
		"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		_, _ = w.Write([]byte(doc)) // an error means that the caller has gone
	}), nil
}

func source(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
