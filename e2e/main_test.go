//go:build e2e

// Package e2e drives the slipway binary against the sandbox: a real cluster, registry and gateway on this machine.
// What the tests promise is what a visitor at the gateway saw, the exit code and the output; API objects come second.
//
// It wants the programs in bin (make build sandbox tools), Linux and root. The sandbox is brought up if it is down and is
// left up, unless SLIPWAY_E2E_DOWN=1.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Where the sandbox puts things; fixed by it.
const (
	sandboxDir     = "/var/lib/slipway-sandbox"
	endpoint       = "http://127.0.0.1:8080"
	registry       = "127.0.0.1:5080/e2e"
	workspace      = "00000000-0000-4000-8000-000000000030"
	component      = "/subscriptions/00000000-0000-4000-8000-000000000020/resourceGroups/sandbox/providers/Microsoft.Insights/components/sandbox"
	ingestion      = "https://10.123.0.1:5090"
	logs           = "https://10.123.0.1:5092"
	gatewayMetrics = "http://127.0.0.1:8082/metrics"
	control        = "http://127.0.0.1:5099/control"
	acr            = "10.123.0.1:5096" // the registry behind the log-in of ACR
	authority      = sandboxDir + "/pki/ca.crt"
)

// suite is what all tests share; TestMain fills it before any of them runs.
var suite struct {
	root     string // of the repository
	temp     string
	kube     kubernetes.Interface
	dynamic  dynamic.Interface
	rest     *rest.Config
	projects projects
	// collector hears what services send by OTLP.
	collector *collector
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen { // they mostly wait for pods: more at a time than there are cores
		_ = flag.Set("test.parallel", "3")
	}
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		fmt.Fprintf(os.Stderr, "***\n*** END-TO-END TESTS SKIPPED: they need Linux and root (this is %s, user %d).\n***\n", runtime.GOOS, os.Getuid())
		if os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "CI=true: a skip is a failure.")
			return 1
		}
		return 0
	}
	if err := setUp(); err != nil {
		fmt.Fprintln(os.Stderr, "setting up the end-to-end tests:", err)
		return 1
	}
	defer os.RemoveAll(suite.temp)
	code := m.Run()
	if err := tearDown(); err != nil {
		fmt.Fprintln(os.Stderr, "cleaning up after the end-to-end tests:", err)
		return max(code, 1)
	}
	return code
}

func setUp() error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	suite.root = filepath.Dir(dir)
	for _, program := range []string{"slipway", "slipway-sandbox", "slipway-cluster", "slipway-gateway", "helm3", "helm4"} {
		if _, err := os.Stat(bin(program)); err != nil {
			return fmt.Errorf("%w: run `make build sandbox tools` first", err)
		}
	}
	if out, err := exec.Command(bin("slipway"), "sandbox", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("slipway sandbox up: %w\n%s", err, out)
	}
	if suite.rest, err = clientcmd.BuildConfigFromFlags("", sandboxKubeconfig()); err != nil {
		return err
	}
	suite.rest.QPS, suite.rest.Burst = 100, 200
	if suite.kube, err = kubernetes.NewForConfig(suite.rest); err != nil {
		return err
	}
	if suite.dynamic, err = dynamic.NewForConfig(suite.rest); err != nil {
		return err
	}
	if suite.collector, err = startCollector(); err != nil {
		return err
	}
	suite.temp, err = os.MkdirTemp("", "slipway-e2e-")
	return err
}

// namespaceLabel marks the namespaces of these tests.
const namespaceLabel = "slipway-e2e"

// tearDown waits until the tests' namespaces are gone: what one leaves behind is a fault.
func tearDown() error {
	if os.Getenv("SLIPWAY_E2E_DOWN") == "1" {
		out, err := exec.Command(bin("slipway"), "sandbox", "down").CombinedOutput()
		if err != nil {
			return fmt.Errorf("slipway sandbox down: %w\n%s", err, out)
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	for {
		list, err := suite.kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: namespaceLabel + "=" + runID})
		if err == nil && len(list.Items) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("namespaces are still there after 90 s: %w", err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func bin(program string) string { return filepath.Join(suite.root, "bin", program) }

func sandboxKubeconfig() string { return filepath.Join(sandboxDir, "kubeconfig") }
