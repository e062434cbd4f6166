package value_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// childEnv makes this test binary, started again, a child that does what it says.
const childEnv = "SHOAL_VALUE_TEST_CHILD"

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
	v, err := value.Open[block](ctx, seg, "v")
	if err != nil {
		return err
	}
	n, err := value.OpenAtomic[int64](ctx, seg, "n")
	if err != nil {
		return err
	}
	switch what {
	case "updater": // dies inside of Update, the value half changed
		return v.Update(ctx, func(b *block) error {
			b[0]++
			fmt.Println("ready")
			select {}
		})
	case "storer": // dies anywhere
		fmt.Println("ready")
		for k := uint64(1); ; k++ {
			if err := v.Store(ctx, alike(k)); err != nil {
				return err
			}
			n.Add(1)
		}
	case "waiter": // dies asleep
		fmt.Println("ready")
		_, err := v.Wait(ctx, func(b block) bool { return b[0] == 1<<63 })
		return err
	case "doubler": // ends by itself
		if err := v.Update(ctx, func(b *block) error { *b = alike(2 * b[0]); return nil }); err != nil {
			return err
		}
		n.Add(n.Load())
		fmt.Println("ready")
		return seg.Close()
	}
	return fmt.Errorf("no child %q", what)
}

// block is a value that is whole if all its words are alike.
type block [512]uint64

func alike(n uint64) (b block) {
	for i := range b {
		b[i] = n
	}
	return b
}

func (b *block) torn() bool {
	for _, x := range b {
		if x != b[0] {
			return true
		}
	}
	return false
}

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
