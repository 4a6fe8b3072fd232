package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/front"
	"github.com/slipway-cd/slipway/apps/calculator/internal/serve"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

const (
	checkFor   = 10 * time.Second       // how long a URL may take to answer well
	checkTry   = 3 * time.Second        // how long one attempt may take
	checkEvery = 200 * time.Millisecond // pause between attempts
)

// check asks each URL until it answers well, for at most checkFor each, and returns an
// exit code. Well means 200; a URL that ends in /api/calculate is sent a number, and its
// factors must be right.
func check(ctx context.Context, urls []string, out, problems io.Writer) int {
	if len(urls) == 0 {
		_, _ = fmt.Fprintln(problems, "usage: frontend check URL…")
		return serve.ExitUsage
	}
	for _, u := range urls {
		said, err := eventually(ctx, u)
		if err != nil {
			_, _ = fmt.Fprintf(problems, "FAIL %s: %v\n", u, err)
			return serve.ExitInternal
		}
		_, _ = fmt.Fprintf(out, "ok   %s: %s\n", u, said)
	}
	return serve.ExitOK
}

func eventually(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkFor)
	defer cancel()
	client := front.NewClient()
	defer client.CloseIdleConnections()
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	var last error // the last that is not only about the time being up
	for {
		try, cancel := context.WithTimeout(ctx, checkTry)
		said, err := once(try, client, url)
		cancel()
		if err == nil {
			return said, nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no good answer within %s, the last: %w", checkFor, last)
		case <-tick.C:
		}
	}
}

func once(ctx context.Context, client *http.Client, url string) (string, error) {
	method, body := http.MethodGet, ""
	calculates := strings.HasSuffix(url, "/api/calculate")
	if calculates {
		method, body = http.MethodPost, `{"number":"5040"}`
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("User-Agent", "calculator-check") // package telemetry tells it from a user
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(raw)))
	}
	if calculates {
		var a wire.Answer
		if err := json.Unmarshal(raw, &a); err != nil {
			return "", fmt.Errorf("reading the answer: %w", err)
		}
		if want := []wire.Number{2, 2, 2, 2, 3, 3, 5, 7}; !slices.Equal(a.Factors, want) {
			return "", fmt.Errorf("factors of 5040: got %v, want %v", a.Factors, want)
		}
	}
	return fmt.Sprintf("%s, version %s, slot %s", resp.Status, resp.Header.Get("X-Version"), resp.Header.Get("X-Slot")), nil
}
