// Package dns runs CoreDNS with the few plug-ins that a cluster's DNS needs.
package dns

import (
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"

	// The plug-ins that a Corefile may name here. The full list would bring in
	// clients of three clouds.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
)

// Main serves DNS as the Corefile says until SIGTERM or SIGINT, which end the
// process. args[0] is the program's name. The flags are CoreDNS's own -conf
// (path of the Corefile, default "Corefile") and -dns.port (port of server
// blocks that name none, default 53). It returns 2 for wrong flags or a Corefile
// that cannot be read, 1 when serving could not start or broke off.
func Main(args []string) int {
	log.SetOutput(os.Stdout)
	log.SetFlags(0) // CoreDNS's logger writes its own level and time

	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	conf := flags.String("conf", "Corefile", "Corefile to load")
	flags.StringVar(&dnsserver.Port, "dns.port", dnsserver.Port, "default port")
	if err := flags.Parse(args[1:]); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "coredns: unexpected argument %q; nothing was started\n", flags.Arg(0))
		return 2
	}
	text, err := os.ReadFile(*conf)
	if err != nil {
		fmt.Fprintf(os.Stderr, "coredns: reading the Corefile: %v; nothing was started\n", err)
		return 2
	}

	caddy.AppName = "CoreDNS"
	caddy.TrapSignals()
	instance, err := caddy.Start(caddy.CaddyfileInput{Contents: text, Filepath: *conf, ServerTypeName: "dns"})
	if err != nil {
		fmt.Fprintf(os.Stderr, "coredns: starting the servers of %s: %v\n", *conf, err)
		return 1
	}
	instance.Wait()
	return 0
}
