package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Rollout is what an onlooker saw of new pods. Zero times: it was not seen.
type Rollout struct {
	// FirstCreated is when the first new pod was there, LastReady when the last new one became ready.
	FirstCreated, LastReady time.Time
	// New is the number of new pods.
	New int
}

// Readiness is how long the pods took, from the first one's creation until the last one was ready.
func (r Rollout) Readiness() time.Duration { return r.LastReady.Sub(r.FirstCreated) }

// PodWatch follows the pods of a namespace.
type PodWatch struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	seen    Rollout
	pending map[string]bool // new pods that are not ready yet
	known   map[string]bool
	err     error
}

// WatchPods begins to follow the pods of a namespace. Pods that are there already are not new.
func (px *Proxy) WatchPods(ctx context.Context, namespace string) (*PodWatch, error) {
	pods, version, err := px.list(ctx, namespace)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, px.URL+podsPath(namespace)+"?watch=true&resourceVersion="+version, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("watching the pods of %s: %w", namespace, err)
	}
	resp, err := px.client.Do(req)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("watching the pods of %s: %w", namespace, err)
	}
	w := &PodWatch{cancel: cancel, done: make(chan struct{}), pending: map[string]bool{}, known: map[string]bool{}}
	for _, p := range pods {
		w.known[p.Metadata.UID] = true
	}
	go func() {
		defer close(w.done)
		defer func() { _ = resp.Body.Close() }()
		stream := json.NewDecoder(resp.Body)
		for {
			var e struct {
				Type   string `json:"type"`
				Object pod    `json:"object"`
			}
			if err := stream.Decode(&e); err != nil {
				if ctx.Err() == nil {
					w.fail(fmt.Errorf("watching the pods of %s: %w", namespace, err))
				}
				return
			}
			w.note(e.Type, e.Object, time.Now())
		}
	}()
	return w, nil
}

func (w *PodWatch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *PodWatch) note(kind string, p pod, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := p.Metadata.UID
	if kind == "ADDED" && !w.known[id] {
		w.known[id], w.pending[id] = true, true
		if w.seen.New++; w.seen.New == 1 {
			w.seen.FirstCreated = now
		}
	}
	if w.pending[id] && p.ready() {
		delete(w.pending, id)
		w.seen.LastReady = now
	}
}

// Stop ends the watch. It is an error when no new pod was seen, or one that did not get ready.
func (w *PodWatch) Stop() (Rollout, error) {
	w.cancel()
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
		return w.seen, w.err
	case w.seen.New == 0:
		return w.seen, errors.New("no new pods were seen: there was nothing to measure")
	case len(w.pending) > 0:
		return w.seen, fmt.Errorf("%d of %d new pods were not seen to get ready", len(w.pending), w.seen.New)
	}
	return w.seen, nil
}

// Settled waits until every pod of the namespaces is ready and none is being removed, so that one measurement does not
// disturb the next.
func (px *Proxy) Settled(ctx context.Context, namespaces ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		moving := ""
		for _, ns := range namespaces {
			pods, _, err := px.list(ctx, ns)
			if err != nil {
				return err
			}
			for _, p := range pods {
				if p.Metadata.DeletionTimestamp != nil || !p.ready() {
					moving = ns
				}
			}
		}
		if moving == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the pods of namespace %s do not come to rest: %w", moving, ctx.Err())
		case <-tick.C:
		}
	}
}
