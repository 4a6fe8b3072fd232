// Command probe runs in a pod and says whether cluster DNS and the API server
// answer there.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if err := probe(); err != nil {
		fmt.Println("probe failed:", err)
		os.Exit(1)
	}
	fmt.Println("probe ok")
	<-stop
}

func probe() error {
	const name = "kubernetes.default.svc"
	addrs, err := net.LookupHost(name)
	if err != nil {
		return fmt.Errorf("look up %s: %w", name, err)
	}
	fmt.Println(name, "is", addrs)
	const dir = "/var/run/secrets/kubernetes.io/serviceaccount/"
	token, err := os.ReadFile(dir + "token")
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(dir + "ca.crt")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	req, err := http.NewRequest(http.MethodGet, "https://"+name+"/version", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+string(token))
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the API server through its Service: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the API server answers %s %v: %s", resp.Status, err, body)
	}
	return nil
}
