package appinsights

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxBacklog  = 4 << 20          // packed bytes that wait to be sent: some 80,000 items
	maxBatches  = 1024             // batches and marks that wait to be sent
	callTimeout = 10 * time.Second // of one post
	firstWait   = time.Second      // after a failure; doubled after each further one
	longestWait = time.Minute
	patience    = 10 * time.Minute // how long one batch is tried, waits included
	maxAnswer   = 1 << 20          // bytes read of an answer
)

// sender posts batches one at a time, in order, until each is accepted, refused or too late.
type sender struct {
	url     string
	client  *http.Client
	log     *slog.Logger
	losses  *losses
	batches chan packed
	backlog atomic.Int64    // bytes in batches
	stopped <-chan struct{} // there is no time left for waits
	failing bool            // the log was told so
	told    time.Time       // when it was
}

func newSender(url string, client *http.Client, log *slog.Logger, lost *losses, stopped <-chan struct{}) *sender {
	return &sender{url: url, client: client, log: log, losses: lost, stopped: stopped, batches: make(chan packed, maxBatches)}
}

// offer appends to the backlog, or counts as lost. Only one goroutine may call offer and mark.
func (s *sender) offer(p packed) {
	size := int64(len(p.body))
	if s.backlog.Load()+size <= maxBacklog {
		select {
		case s.batches <- p:
			s.backlog.Add(size)
			return
		default:
		}
	}
	s.losses.full.Add(int64(p.items))
}

// mark has done told when all that was offered before has been dealt with.
func (s *sender) mark(done chan<- error) {
	select {
	case s.batches <- packed{done: done}:
	default:
		done <- errors.New("flushing telemetry: the backlog is full")
	}
}

// run deals with the backlog until batches is closed; once ctx is done, everything left is late.
func (s *sender) run(ctx context.Context) {
	for p := range s.batches {
		if p.done != nil {
			p.done <- nil
			continue
		}
		s.backlog.Add(-int64(len(p.body)))
		s.deliver(ctx, p)
	}
}

// deliver posts a batch until nothing is left of it to send.
func (s *sender) deliver(ctx context.Context, p packed) {
	end := time.Now().Add(patience)
	backoff := firstWait
	for {
		r := s.post(ctx, p)
		s.losses.refused.Add(int64(r.refused))
		s.tell(r)
		if r.again.items == 0 {
			return
		}
		p = r.again
		wait := r.wait
		if wait == 0 { // spread, so that the pods of a service do not all come back at once
			wait = backoff/2 + rand.N(backoff/2)
			backoff = min(2*backoff, longestWait)
		}
		if !s.sleep(wait) || time.Now().After(end) {
			s.losses.late.Add(int64(p.items))
			return
		}
	}
}

// sleep reports false when there is no time to wait.
func (s *sender) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.stopped:
		return false
	default:
	}
	select {
	case <-t.C:
		return true
	case <-s.stopped:
		return true // one last time, and then no more
	}
}

// tell logs when posting begins to fail, at most once a minute, and when it works again.
func (s *sender) tell(r result) {
	switch {
	case r.err != nil && !s.failing && time.Since(s.told) >= reportEvery:
		s.failing, s.told = true, time.Now()
		s.log.Warn("telemetry is not accepted", "url", s.url, "error", r.err.Error(), "tryAgain", r.again.items, "refused", r.refused)
	case r.err == nil && s.failing:
		s.failing = false
		s.log.Info("telemetry is accepted again", "url", s.url)
	}
}

// result is what came of a post.
type result struct {
	again   packed        // to be sent again; no items: nothing
	wait    time.Duration // that the service asked for; 0: none
	refused int           // items that are not worth sending again
	err     error         // why not everything was accepted
}

// answer is what the service says, as documented for /v2.1/track.
type answer struct {
	Received int `json:"itemsReceived"`
	Accepted int `json:"itemsAccepted"`
	Errors   []struct {
		Index   int    `json:"index"`
		Code    int    `json:"statusCode"`
		Message string `json:"message"`
	} `json:"errors"`
}

func (s *sender) post(ctx context.Context, p packed) result {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(p.body))
	if err != nil {
		return result{refused: p.items, err: fmt.Errorf("posting telemetry: %w", err)}
	}
	req.Header.Set("Content-Type", "application/x-json-stream")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return result{again: p, err: fmt.Errorf("posting telemetry: %w", err)}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent:
		return partly(p, resp.StatusCode, raw, err, retryAfter(resp.Header))
	case worthwhile(resp.StatusCode):
		return result{again: p, wait: retryAfter(resp.Header), err: fmt.Errorf("the service answered %s: %s", resp.Status, brief(raw))}
	default:
		return result{refused: p.items, err: fmt.Errorf("the service answered %s: %s", resp.Status, brief(raw))}
	}
}

// partly reads which items were accepted. An answer that cannot be read counts as what its code
// says: sending everything again would count items twice.
func partly(p packed, code int, raw []byte, err error, wait time.Duration) result {
	var a answer
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil {
		if code == http.StatusOK {
			return result{}
		}
		return result{refused: p.items, err: fmt.Errorf("which items were accepted cannot be read from the answer: %w", err)}
	}
	again := map[int]bool{}
	refused := map[int]bool{}
	for _, e := range a.Errors {
		switch {
		case e.Index < 0 || e.Index >= p.items: // not an item of ours
		case worthwhile(e.Code):
			again[e.Index] = true
		default:
			refused[e.Index] = true
		}
	}
	if len(a.Errors) == 0 {
		return result{}
	}
	first := a.Errors[0]
	r := result{refused: len(refused), wait: wait, err: fmt.Errorf("%d of %d items were not accepted, the first with %d: %s",
		len(again)+len(refused), p.items, first.Code, brief([]byte(first.Message)))}
	if len(again) > 0 {
		if r.again, err = p.only(func(i int) bool { return again[i] }); err != nil {
			return result{refused: len(again) + len(refused), err: err}
		}
	}
	return r
}

// worthwhile tells whether what was refused with this code may be accepted later: too many at a time,
// out of quota, or a fault of the service. Microsoft's exporters try the same codes again, except those
// that are about tokens, which are not used here.
func worthwhile(code int) bool {
	return slices.Contains([]int{408, 429, 439, 500, 502, 503, 504}, code)
}

// retryAfter reads how long the service asks to be left alone, in seconds or as a date, at most patience.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, patience)
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(0, time.Until(at)), patience)
	}
	return 0
}

// brief is what of a text fits into a line of a log.
func brief(raw []byte) string {
	return cut(strings.ToValidUTF8(strings.Join(strings.Fields(string(raw)), " "), "?"), 300)
}
