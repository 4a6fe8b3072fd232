package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// Proxy is a running `kubectl proxy`: the cluster's API on a loopback port, without a process start per request.
type Proxy struct {
	URL    string
	cmd    *exec.Cmd
	client *http.Client
}

// StartProxy starts `kubectl proxy` on a free port. Close ends it.
func (p Programs) StartProxy(ctx context.Context) (*Proxy, error) {
	cmd := p.Command(ctx, "slipway-cluster", "kubectl", "--kubeconfig", p.Kubeconfig(), "proxy", "--address=127.0.0.1", "--port=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting kubectl proxy: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting kubectl proxy: %w", err)
	}
	px := &Proxy{cmd: cmd, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}}
	line, err := bufio.NewReader(out).ReadString('\n') // Starting to serve on 127.0.0.1:40001
	_, addr, ok := strings.Cut(strings.TrimSpace(line), "serve on ")
	if err != nil || !ok {
		px.Close()
		return nil, fmt.Errorf("kubectl proxy says %q, not where it serves (%v)", line, err)
	}
	px.URL = "http://" + addr
	return px, nil
}

// Close ends the proxy.
func (px *Proxy) Close() {
	px.client.CloseIdleConnections()
	_ = px.cmd.Process.Kill()
	_ = px.cmd.Wait()
}

// MergePatch changes an object, as kubectl patch --type=merge does. It gives the time just before the request was sent
// and the time when the API server had answered.
func (px *Proxy) MergePatch(ctx context.Context, path, patch string) (sent, answered time.Time, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, px.URL+path, strings.NewReader(patch))
	if err != nil {
		return sent, answered, fmt.Errorf("patching %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/merge-patch+json")
	sent = time.Now()
	resp, err := px.client.Do(req)
	answered = time.Now()
	if err != nil {
		return sent, answered, fmt.Errorf("patching %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode != http.StatusOK {
		return sent, answered, fmt.Errorf("patching %s: %s: %s", path, resp.Status, tail(string(body)))
	}
	return sent, answered, nil
}

// pod is what is read of one.
type pod struct {
	Metadata struct {
		UID               string     `json:"uid"`
		ResourceVersion   string     `json:"resourceVersion"`
		DeletionTimestamp *time.Time `json:"deletionTimestamp"`
	} `json:"metadata"`
	Status struct {
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (p pod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// list reads the pods of a namespace.
func (px *Proxy) list(ctx context.Context, namespace string) (pods []pod, version string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, px.URL+podsPath(namespace), nil)
	if err != nil {
		return nil, "", fmt.Errorf("listing the pods of %s: %w", namespace, err)
	}
	resp, err := px.client.Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("listing the pods of %s: %w", namespace, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []pod `json:"items"`
	}
	if resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("listing the pods of %s: %s", namespace, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return nil, "", fmt.Errorf("listing the pods of %s: %w", namespace, err)
	}
	return list.Items, list.Metadata.ResourceVersion, nil
}

func podsPath(namespace string) string { return "/api/v1/namespaces/" + namespace + "/pods" }
