package report

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what the figures were measured on.
type Machine struct {
	Cores int `json:"cores"`
	// MemoryBytes is the main memory; 0: not known.
	MemoryBytes uint64 `json:"memoryBytes"`
	CPU         string `json:"cpu"`
	Kernel      string `json:"kernel"`
	// Load is the load average over 1, 5 and 15 minutes when the benchmark began.
	Load [3]float64 `json:"load"`
}

// ThisMachine reads what Linux tells; what it does not tell stays empty.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU()}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	memory, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(memory)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseUint(f[1], 10, 64)
			m.MemoryBytes = kib << 10
		}
	}
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpu)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			m.CPU = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
			break
		}
	}
	m.Load = loadAverages()
	return m
}

// loadAverages over 1, 5 and 15 minutes; zeros where the system does not tell.
func loadAverages() (load [3]float64) {
	raw, _ := os.ReadFile("/proc/loadavg")
	for i, f := range strings.Fields(string(raw)) {
		if i < len(load) {
			load[i], _ = strconv.ParseFloat(f, 64)
		}
	}
	return load
}

// Busy says that others use the machine, so that the figures are rough.
func (m Machine) Busy() bool { return m.Load[0] > float64(m.Cores) }

func (m Machine) String() string {
	return fmt.Sprintf("%d cores (%s), %.0f GiB, Linux %s, load average at the start %.2f %.2f %.2f",
		m.Cores, m.CPU, float64(m.MemoryBytes)/(1<<30), m.Kernel, m.Load[0], m.Load[1], m.Load[2])
}
