package contract

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

// memoryDir is where segments are unless somebody says otherwise.
const memoryDir = "/dev/shm"

type churnArgs struct {
	Name   string
	Rounds *value.Atomic[int64]
}

// churn makes, uses and closes segments until it is killed.
var churn = process.Func("contract.churn", func(ctx ctxt, a churnArgs) error {
	for i := 0; ; i++ {
		spec := shm.Spec{Lifetime: shm.LastUser + shm.Lifetime(i%2), Participants: 8}
		seg, err := shm.OpenOrCreate(ctx, fmt.Sprint(a.Name, i%4), spec, &shm.Options{Dir: memoryDir})
		if err != nil {
			return err
		}
		q, err := queue.OpenOrCreate[string](ctx, seg, "q", queue.Spec{Cap: 4, MaxSize: 1024})
		if err != nil {
			return err
		}
		if err := q.TryPut(a.Name); err != nil && !errors.Is(err, queue.ErrFull) {
			return err
		}
		if _, err := q.TryReceive(); err != nil && !errors.Is(err, queue.ErrEmpty) {
			return err
		}
		if err := seg.Close(); err != nil {
			return err
		}
		a.Rounds.Add(1)
	}
})

// Processes that make, use and close segments in /dev/shm are killed wherever
// they are. Once those who are left have closed theirs, nothing is left there.
func TestNothingIsLeftInMemory(t *testing.T) {
	if _, err := os.Stat(memoryDir); err != nil {
		t.Skip(err)
	}
	opts := &shm.Options{Dir: memoryDir}
	rounds, err := value.CreateAtomic[int64](t.Context(), shmtest.Segment(t, shm.Spec{}), "rounds", 0)
	if err != nil {
		t.Fatal(err)
	}
	name := "contract-" + rand.Text() + "-"
	t.Cleanup(func() {
		for i := range 4 {
			_ = shm.Remove(fmt.Sprint(name, i), opts) // should the test fail
		}
	})
	hidden := left(t, ".shoal-")
	for round := range int64(5) {
		var children []*process.Child
		for range 2 {
			child, err := churn.Start(t.Context(), churnArgs{name, rounds})
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
		before := rounds.Load()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := rounds.Wait(ctx, func(n int64) bool { return n > before+5*round }); err != nil {
			t.Fatal(err)
		}
		for _, child := range children {
			shmtest.Kill(t, child)
			var end *process.ExitError
			if err := child.Wait(t.Context()); !errors.As(err, &end) || end.Signal != syscall.SIGKILL {
				t.Errorf("it ended before it was killed: %v", err)
			}
		}
	}
	for i := range 4 { // the lifetime that it has, if it is still there, or any
		seg, err := shm.OpenOrCreate(t.Context(), fmt.Sprint(name, i), shm.Spec{}, opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := seg.Check(); err != nil {
			t.Error(err)
		}
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	}
	if names := left(t, name); len(names) != 0 {
		t.Errorf("left in %s: %v", memoryDir, names)
	}
	// Files that are not yet segments have hidden names where they need one. Other
	// programs may be making some, but not for long.
	deadline := time.Now().Add(30 * time.Second)
	for {
		var more []string
		for _, f := range left(t, ".shoal-") {
			if !strings.Contains(strings.Join(hidden, " "), f) {
				more = append(more, f)
			}
		}
		if len(more) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("left in %s: %v", memoryDir, more)
			break
		}
	}
}

// left returns the names in /dev/shm that begin with prefix.
func left(t *testing.T, prefix string) []string {
	t.Helper()
	files, err := os.ReadDir(memoryDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if strings.HasPrefix(f.Name(), prefix) {
			names = append(names, f.Name())
		}
	}
	return names
}
