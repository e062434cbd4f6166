//go:build race

package lock_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

const plantedEnv = "SHOAL_LOCK_TEST_RACE"

// TestPlantedRace shows that the detector still sees what is wrong: this test, in
// a process of its own, changes a variable with the mutex held and without.
func TestPlantedRace(t *testing.T) {
	switch os.Getenv(plantedEnv) {
	case "heap":
		collide(t, heap(t))
		return
	case "named":
		collide(t, shmtest.Segment(t, shm.Spec{}))
		return
	}
	self, err := os.Executable()
	want(t, "Executable", err, nil)
	for _, kind := range []string{"heap", "named"} {
		cmd := exec.Command(self, "-test.run=^TestPlantedRace$")
		cmd.Env = append(os.Environ(), plantedEnv+"="+kind)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "DATA RACE") {
			t.Errorf("%s: not reported: %v\n%s", kind, err, out)
		}
	}
}

func collide(t *testing.T, seg *shm.Segment) {
	t.Helper()
	m := create(t, seg, lock.Spec{})
	sum := 0
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.Do(t.Context(), func() error { sum++; return nil }) })
	wg.Go(func() { sum++ })
	wg.Wait()
	t.Log(sum)
}
