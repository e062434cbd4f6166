package scribble_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/proof"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/shm"
)

// cuts are the ways in which a file loses its end, and whether it stays short.
func cuts() map[string]func(path string, size int64) error {
	to := func(n int64) func(string, int64) error {
		return func(path string, _ int64) error { return os.Truncate(path, n) }
	}
	return map[string]func(path string, size int64) error{
		"all":                to(0),
		"all but the header": to(slotsOff),
		"in the directory":   to(entriesOff + 100),
		"the heap":           to(heapOffset),
		"half the heap":      to(heapOffset + 8192 + 77),
	}
}

// TestProofTruncated: a file that is cut off under them ends no process, and
// everybody hears of it, also those that were asleep.
func TestProofTruncated(t *testing.T) {
	if !sys.Probe().Guards {
		t.Skip("no guards here: who touches the memory is ended by SIGBUS")
	}
	ctl := buildCtl(t)
	ended, found := 0, 0
	for name, cut := range cuts() {
		t.Run(name, func(t *testing.T) {
			dir := fresh(t)
			path := filepath.Join(dir, fileName)
			sleepers := []*child{start(t, "sleeper", dir), start(t, "sleeper", dir)}
			crew := crewFor(t, dir)
			victim := start(t, "worker", dir, "7", watchdog.String(), truncated)
			for _, s := range sleepers {
				if _, ok := s.said("asleep"); !ok {
					t.Fatal(s.fault())
				}
			}
			victim.kill() // its repair may run into the cut
			if err := cut(path, spec.Size); err != nil {
				t.Fatal(err)
			}
			lookWith(t, ctl, dir)
			for _, s := range sleepers {
				e, f := awake(t, s)
				ended, found = ended+e, found+f
			}
			crew[0].kill()
			reopened(t, dir)
			lookWith(t, ctl, dir)
			for _, c := range append(crew[1:], sleepers...) {
				finish(t, c)
				if fault := c.fault(); fault != "" {
					t.Error(fault)
				}
			}
		})
	}
	if found > ended { // mostly they sleep, and who sleeps must hear of it
		t.Errorf("%d calls took zeros for what they waited for, %d heard of the loss", found, ended)
	}
	proof.Report(t, proof.Scribbler, proof.Count{N: len(cuts()), Unit: "truncated files"}, proof.Count{N: ended, Unit: "calls ended by them"})
}

// TestTruncatedAndBack: nobody dies either if the file is long again at once, as
// when it is written anew.
func TestTruncatedAndBack(t *testing.T) {
	if !sys.Probe().Guards {
		t.Skip("no guards here")
	}
	for _, same := range []string{"zeros", "what was there"} {
		t.Run(same, func(t *testing.T) {
			dir := fresh(t)
			path := filepath.Join(dir, fileName)
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			crew := crewFor(t, dir)
			for i := range 30 {
				if same == "zeros" && i%10 == 0 {
					clear(image)
				}
				if err := os.WriteFile(path, image, 0o600); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			for _, c := range crew {
				finish(t, c)
				if fault := c.fault(); fault != "" {
					t.Error(fault)
				}
			}
		})
	}
}

// truncated is the fault that is planted in the file, not in the workers.
const truncated = "truncated"

func crewFor(t *testing.T, dir string) []*child {
	t.Helper()
	return []*child{
		start(t, "worker", dir, "1", watchdog.String(), truncated),
		start(t, "worker", dir, "2", watchdog.String(), truncated),
		start(t, "looker", dir, "3", watchdog.String(), truncated),
	}
}

// awake waits until all that a sleeper does has ended, as it should, and returns how
// many calls that were, and how many found zeros.
func awake(t *testing.T, s *child) (ended, found int) {
	t.Helper()
	over := time.AfterFunc(watchdog, func() { _ = s.cmd.Process.Kill() })
	defer over.Stop()
	if _, ok := s.said("awake"); !ok {
		t.Errorf("calls hang, or the process ended: %s\n%s", strings.Join(s.out, "\n"), s.fault())
		return 0, 0
	}
	for _, line := range s.out {
		switch what, _, _ := strings.Cut(line, ":"); what {
		case "wrong":
			t.Error(line)
		case "ended":
			ended++
		case "found":
			found++
		}
	}
	return ended, found
}

// reopened opens what is left of the segment, and puts a new one into its place.
func reopened(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	defer cancel()
	opts := &shm.Options{Dir: dir}
	for _, o := range []*shm.Options{opts, {Dir: dir, ReadOnly: true}} {
		seg, err := shm.Open(ctx, segmentName, o)
		if err == nil { // a worker has put a new one there
			_ = seg.Close()
		} else if !errors.Is(err, shm.ErrCorrupt) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open: %v", err)
		}
	}
	if err := shm.Remove(segmentName, opts); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove: %v", err)
	}
}

// buildCtl builds shmctl.
func buildCtl(t *testing.T) string {
	t.Helper()
	ctl := filepath.Join(t.TempDir(), "shmctl")
	if out, err := exec.Command("go", "build", "-o", ctl, "../../../cmd/shmctl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return ctl
}

// lookWith runs shmctl on what is left: it may find faults, not die of them.
func lookWith(t *testing.T, ctl, dir string) {
	t.Helper()
	for _, args := range [][]string{{"ls"}, {"inspect", segmentName}, {"check", segmentName}, {"check"}} {
		ctx, cancel := context.WithTimeout(context.Background(), watchdog)
		cmd := exec.CommandContext(ctx, ctl, append([]string{"--dir", dir}, args...)...)
		out, err := cmd.CombinedOutput()
		cancel()
		if code := cmd.ProcessState.ExitCode(); code < 0 || code == 2 || strings.Contains(string(out), "goroutine ") {
			t.Errorf("shmctl %v: %v\n%s", args, err, out)
		}
	}
}

// lost says what is wrong with the error of a call on a segment that is lost; ""
// if it is right.
func lost(err error) string {
	var e *shm.CorruptError
	if errors.As(err, &e) && e.Field == "size" && errors.Is(err, shm.ErrCorrupt) {
		return ""
	}
	return fmt.Sprintf("ended with %v, want a CorruptError of the size", err)
}
