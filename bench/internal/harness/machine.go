package harness

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine describes where is measured, and how, in one paragraph.
func (t *Tools) Machine() string {
	distance := "on which nothing else may run"
	if trip, err := PingPong(t.CPUs[0], t.CPUs[1]); err == nil {
		distance = fmt.Sprintf("a cache line takes %d ns there and back", trip.Nanoseconds())
	}
	return fmt.Sprintf("%s, %d processors, Linux %s, %s, %s; %s. The sides of a case with two processes are bound to "+
		"processors %d and %d (%s; %s), with GOMAXPROCS=2 for Shoal, without which it does not spin, and 1 for the others in Go, which is quicker for them. More processes go where the kernel puts them.",
		processor(), runtime.NumCPU(), kernel(), runtime.Version(), compiler(), time.Now().UTC().Format("2006-01-02"),
		t.CPUs[0], t.CPUs[1], t.usual, distance)
}

func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of unknown version"
	}
	return strings.TrimSpace(string(text))
}

func compiler() string {
	out, err := exec.Command("cc", "--version").Output()
	if err != nil {
		return "no C compiler"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}
