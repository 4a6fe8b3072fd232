// Package visitor is a user of the gateway: an open-loop load at a constant rate that knows which slot answered when.
// The load itself is bin/loadgen's; this package reads its record while it is written.
package visitor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Rate of a visitor, in requests a second.
const Rate = 200

// Answer is one request as its sender saw it.
type Answer struct {
	Sent, Came time.Time
	Code       int // 0: no answer at all
	Slot       string
}

// Failed says that a user would have noticed.
func (a Answer) Failed() bool { return a.Code < 200 || a.Code > 299 }

// Visitor sends requests until Stop.
type Visitor struct {
	cmd    *exec.Cmd
	errs   bytes.Buffer
	read   chan struct{}
	end    func() ([]Answer, error)
	change chan struct{} // holds one token when answers have come since the last look

	mu      sync.Mutex
	answers []Answer
	err     error
}

// Start starts cmd, a loadgen that lacks its flags, against a host of the gateway at url, with so many requests a second.
func Start(cmd *exec.Cmd, url, host string, rate int) (*Visitor, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting a visitor: %w", err)
	}
	cmd.Args = append(cmd.Args, "--url", url, "--host", host, "--rate", strconv.Itoa(rate), "--duration", "0",
		"--output", "json", "--record", "/dev/fd/3")
	cmd.ExtraFiles = []*os.File{w}
	v := &Visitor{cmd: cmd, read: make(chan struct{}), change: make(chan struct{}, 1)}
	v.end = sync.OnceValues(v.stop)
	cmd.Stderr = &v.errs
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("starting a visitor: %w", err)
	}
	go func() {
		defer close(v.read)
		defer func() { _ = r.Close() }()
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			var l struct {
				Time      time.Time `json:"time"`
				Code      int       `json:"code"`
				Slot      string    `json:"slot"`
				LatencyMs float64   `json:"latencyMs"`
			}
			err := json.Unmarshal(lines.Bytes(), &l)
			v.add(Answer{Sent: l.Time.Add(-time.Duration(l.LatencyMs * float64(time.Millisecond))), Came: l.Time, Code: l.Code, Slot: l.Slot}, err)
		}
		if err := lines.Err(); err != nil {
			v.add(Answer{}, err)
		}
	}()
	return v, nil
}

func (v *Visitor) add(a Answer, err error) {
	v.mu.Lock()
	if err != nil {
		v.err = errors.Join(v.err, fmt.Errorf("reading the visitor's record: %w", err))
	} else {
		v.answers = append(v.answers, a)
	}
	v.mu.Unlock()
	select {
	case v.change <- struct{}{}:
	default:
	}
}

// Await waits until the answers so far, in the order in which they came, are as wanted; at most a minute.
func (v *Visitor) Await(ctx context.Context, what string, wanted func([]Answer) bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		v.mu.Lock()
		ok, n, err := wanted(v.answers), len(v.answers), v.err
		v.mu.Unlock()
		switch {
		case err != nil:
			return err
		case ok:
			return nil
		}
		select {
		case <-v.change:
		case <-v.read:
			return fmt.Errorf("the visitor ended while waiting for %s: %s", what, v.errs.String())
		case <-ctx.Done():
			return fmt.Errorf("the visitor has not seen %s in %d answers: %w", what, n, ctx.Err())
		}
	}
}

// Stop ends the load, after the requests under way have been answered, and gives every answer. Another call gives the same again.
func (v *Visitor) Stop() ([]Answer, error) { return v.end() }

func (v *Visitor) stop() ([]Answer, error) {
	_ = v.cmd.Process.Signal(syscall.SIGTERM)
	<-v.read
	if err := v.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("the visitor: %w: %s", err, v.errs.String())
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.answers, v.err
}

// OnlyFrom is a condition for Await: the last n answers came well, and from this slot.
func OnlyFrom(slot string, n int) func([]Answer) bool {
	return func(all []Answer) bool {
		if len(all) < n {
			return false
		}
		for _, a := range all[len(all)-n:] {
			if a.Slot != slot || a.Failed() {
				return false
			}
		}
		return true
	}
}

// Last is the latest answer of a slot; ok is false when there was none. Since is when its last request was sent.
func Last(all []Answer, slot string) (came, sent time.Time, ok bool) {
	for _, a := range all {
		if a.Slot != slot {
			continue
		}
		ok = true
		if a.Came.After(came) {
			came = a.Came
		}
		if a.Sent.After(sent) {
			sent = a.Sent
		}
	}
	return came, sent, ok
}

// Count counts the answers that came in [from, to).
func Count(all []Answer, from, to time.Time, which func(Answer) bool) int {
	n := 0
	for _, a := range all {
		if !a.Came.Before(from) && a.Came.Before(to) && which(a) {
			n++
		}
	}
	return n
}
