//go:build linux

package soak

import (
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/proof"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/process"
)

func TestMain(m *testing.M) {
	process.Main()
	os.Exit(m.Run())
}

var (
	seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the first round of the soak; each later one has the next")
	only = flag.String("hazard", "", "the only hazard of the soak: "+join(hazards))
)

func join(list []hazard) string {
	var names []string
	for _, h := range list {
		names = append(names, string(h))
	}
	return strings.Join(names, ", ")
}

// variable is how long the soak goes on.
const variable = "SHOAL_SOAK"

// size returns for how long to soak, how long a round may be, and how many
// children it has: at least one for each queue of a segment.
func size(t *testing.T) (all, round time.Duration, children int) {
	t.Helper()
	const longest = 20 * time.Second // the books of a round have to be read in the end
	if s := os.Getenv(variable); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
		return d, min(longest, d/time.Duration(len(hazards))), 8
	}
	each := briefly
	if race.Enabled || testing.Short() {
		each /= 2
	}
	return each * time.Duration(len(hazards)), each, 5
}

// TestSoak has processes do everything there is at once, under one hazard after
// the other, each at least once, until the time is over.
func TestSoak(t *testing.T) {
	all, length, children := size(t)
	chosen := hazards
	if *only != "" {
		chosen = []hazard{hazard(*only)}
	}
	var total result
	rounds := 0
	for i, start := 0, time.Now(); i < len(chosen) || time.Since(start) < all; i++ {
		p := plan{Seed: *seed + uint64(i), Hazard: chosen[i%len(chosen)], Children: children, Time: length}
		t.Run(string(p.Hazard), func(t *testing.T) {
			res := p.run(t)
			total.add(res)
			t.Logf("seed %d: %+v", p.Seed, res)
			rounds++
		})
		if t.Failed() {
			t.Fatalf("to repeat: %s=%v go test ./internal/proof/soak -run 'TestSoak$' -seed %d -hazard %s", variable, length, p.Seed, p.Hazard)
		}
	}
	proof.Report(t, proof.Soak,
		proof.Count{N: rounds, Unit: "rounds"}, proof.Count{N: total.Starts, Unit: "processes"},
		proof.Count{N: total.Kills, Unit: "kills"}, proof.Count{N: total.OOMs, Unit: "of them by the kernel"},
		proof.Count{N: total.Stops, Unit: "stops"}, proof.Count{N: total.Closes, Unit: "segments closed in use"},
		proof.Count{N: total.Refusals, Unit: "refusals"}, proof.Count{N: total.Operations, Unit: "operations"},
		proof.Count{N: total.Messages, Unit: "messages"})
}

func (r *result) add(o result) {
	r.Starts += o.Starts
	r.Kills += o.Kills
	r.OOMs += o.OOMs
	r.Stops += o.Stops
	r.Closes += o.Closes
	r.Refusals += o.Refusals
	r.Operations += o.Operations
	r.Messages += o.Messages
}

// run runs the round, in a folder that stays if it fails.
func (p plan) run(t *testing.T) result {
	t.Helper()
	res, err := p.try(t)
	if err != nil {
		t.Errorf("seed %d, hazard %s; everything is kept in %s\n%v", p.Seed, p.Hazard, p.Dir, err)
		return res
	}
	if err := os.RemoveAll(p.Dir); err != nil {
		t.Error(err)
	}
	return res
}

// try skips the test if the hazard cannot be made here.
func (p *plan) try(t *testing.T) (result, error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "shoal-soak-") //nolint:usetesting // it stays if the test fails
	if err != nil {
		t.Fatal(err)
	}
	p.Dir = dir
	if err := os.Mkdir(p.segments(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.possible(); err != nil {
		_ = os.RemoveAll(dir)
		t.Skipf("%s: not permitted here: %v", p.Hazard, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), p.Time+10*watchdog)
	defer cancel()
	if p.Hazard == space {
		return p.governed(ctx)
	}
	return p.here(ctx)
}

// possible says why this system does not permit the hazard.
func (p plan) possible() error {
	switch p.Hazard {
	case memory:
		g, err := newGroup()
		if err == nil {
			err = g.remove()
		}
		return err
	case space:
		cmd := mounts.Command(p.segments())
		cmd.SysProcAttr = ownMounts()
		return cmd.Run(context.Background())
	case clocks:
		return withClock(time.Hour, func() error { return nil })
	}
	return nil
}

// TestAuditFinds plants faults in the children: each must be found by the audit.
func TestAuditFinds(t *testing.T) {
	for fault, want := range map[string]string{
		faultForgets: "messages are missing",
		faultDoubles: "the number was added to",
	} {
		t.Run(fault, func(t *testing.T) {
			err := planted(t, fault, *seed)
			if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, errWrong) {
				t.Errorf("the audit says: %v", err)
			}
		})
	}
}

// planted returns what becomes of a round whose children do something wrong.
func planted(t *testing.T, fault string, seed uint64) error {
	t.Helper()
	p := plan{Seed: seed, Hazard: signals, Children: 4, Time: time.Second, Fault: fault}
	_, err := p.try(t)
	if e := os.RemoveAll(p.Dir); e != nil {
		t.Error(e)
	}
	return err
}
