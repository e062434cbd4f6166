package array_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

// childEnv makes this test binary, started again, a child that does what it says.
const childEnv = "SHOAL_ARRAY_TEST_CHILD"

// watchdog bounds waits that end at once unless something is broken.
const watchdog = 60 * time.Second

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		if err := child(what, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		return
	}
	process.Main()
	os.Exit(m.Run())
}

// child runs in a child process, in the segment "s" of dir. It says "ready" when
// it has begun, and is then killed, unless it ends by itself.
func child(what, dir string) error {
	ctx := context.Background()
	seg, err := shm.Open(ctx, "s", &shm.Options{Dir: dir})
	if err != nil {
		return err
	}
	a, err := array.Open[int32](ctx, seg, "a")
	if err != nil {
		return err
	}
	pixels, err := array.Open[[3]byte](ctx, seg, "pixels")
	if err != nil {
		return err
	}
	switch what {
	case "negater": // ends by itself
		for i, x := range a.All() {
			a.Set(i, -x)
		}
		fmt.Println("ready")
		return seg.Close()
	case "holder": // dies holding the mutex
		return a.Do(ctx, func(view []int32) error {
			view[0] = 99
			fmt.Println("ready")
			select {}
		})
	case "painter": // dies anywhere
		for k := 0; ; k++ {
			for i := range pixels.Len() {
				pixels.Set(i, gray(byte(k)))
			}
			if k == 10 {
				fmt.Println("ready")
			}
		}
	}
	return fmt.Errorf("no child %q", what)
}

// gray is a pixel that is whole if its bytes are alike.
func gray(b byte) [3]byte { return [3]byte{b, b, b} }

// start starts a child and waits until it is ready.
func start(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	return cmd
}

// heap returns a segment on the Go heap, where the race detector sees everything.
func heap(t testing.TB) *shm.Segment {
	t.Helper()
	seg, err := object.Inside().Heap(shm.Spec{Size: 256 << 10, MaxSize: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := seg.(*shm.Segment) //nolint:errcheck // the door's contract
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// peer returns another participant of the heap segment seg.
func peer(t testing.TB, seg *shm.Segment) *shm.Segment {
	t.Helper()
	p, err := object.Inside().HeapPeer(seg)
	if err != nil {
		t.Fatal(err)
	}
	s := p.(*shm.Segment) //nolint:errcheck // the door's contract
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustCreate[T any](t testing.TB, seg *shm.Segment, name string, n int) *array.Array[T] {
	t.Helper()
	a, err := array.Create[T](t.Context(), seg, name, array.Spec{Len: n})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustOpen[T any](t testing.TB, seg *shm.Segment, name string) *array.Array[T] {
	t.Helper()
	a, err := array.Open[T](t.Context(), seg, name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	t.Cleanup(cancel)
	return ctx
}
