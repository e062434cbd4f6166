//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

var nothing = process.Func("nothing", func(context.Context, struct{}) error { return nil })

// ghost is registered in the parent only, as a function that is registered
// under a condition would be.
var ghost = registerGhost()

func registerGhost() *process.Function[int] {
	if _, child := os.LookupEnv("SHOAL_CHILD"); child {
		return nil
	}
	return process.Func("ghost", func(context.Context, int) error { return nil })
}

func roleNoMain() {
	before, _ := os.ReadDir("/proc/self/fd")
	child, err := nothing.Start(context.Background(), struct{}{})
	after, _ := os.ReadDir("/proc/self/fd")
	fmt.Println(child == nil, errors.Is(err, process.ErrNoMain), len(after)-len(before))
	fmt.Println(errors.Is(nothing.Run(context.Background(), struct{}{}), process.ErrNoMain))
}

// Forgetting Main must not start anything: the child would start children too.
func TestStartWithoutMain(t *testing.T) {
	out, err := runRole(t, "no-main")
	if err != nil || out != "true true 0\ntrue\n" {
		t.Errorf("without Main: %q, %v", out, err)
	}
}

func roleTwice() {
	defer func() { fmt.Println(recover()) }()
	process.Func("nothing", func(context.Context, string) error { return nil })
}

func TestFuncTwicePanics(t *testing.T) {
	out, err := runRole(t, "twice")
	if err != nil || !strings.Contains(out, `function "nothing" registered twice`) {
		t.Errorf("Func with a taken name: %q, %v", out, err)
	}
}

func TestFuncAfterMainPanics(t *testing.T) {
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, `function "late" registered after Main`) {
			t.Errorf("Func after Main: %s", text)
		}
	}()
	process.Func("late", func(context.Context, int) error { return nil })
	t.Error("Func after Main returned")
}

func TestMainAgainReturns(t *testing.T) {
	process.Main()
	if err := nothing.Run(deadline(t), struct{}{}); err != nil {
		t.Error(err)
	}
}

// Conformance: PRC-15.
func TestUnknownFunction(t *testing.T) {
	cmd, _ := quiet(ghost.Command(1))
	e := exitOf(t, cmd.Run(deadline(t)))
	if e.Code != 1 || e.Err == nil || !strings.Contains(e.Error(), `no function "ghost"`) {
		t.Errorf("a function that the child does not have: %+v", e)
	}
}

func TestChildThatDoesNotReachMain(t *testing.T) {
	cmd := nothing.Command(struct{}{})
	cmd.Env = append(os.Environ(), roleVariable+"=lost")
	e := exitOf(t, cmd.Run(deadline(t)))
	if e.Code != 0 || !strings.Contains(e.Error(), "did not reach process.Main") {
		t.Errorf("a child that exits before Main: %v", e)
	}
}

// The variable in a user's environment by accident makes no process a child.
func TestStrayVariable(t *testing.T) {
	out, err := runRole(t, "stray", "SHOAL_CHILD=0123")
	if err == nil || strings.Contains(out, "Main returned") || !strings.Contains(out, "no child of Shoal") {
		t.Errorf("SHOAL_CHILD set by hand: %q, %v", out, err)
	}
}

func TestStartRefuses(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	negative := nothing.Command(struct{}{})
	negative.Grace = -time.Second
	nul := nothing.Command(struct{}{})
	nul.Name = "a\x00b"
	nowhere := nothing.Command(struct{}{})
	nowhere.Dir = t.TempDir() + "/missing"
	tests := []struct {
		name string
		ctx  context.Context //nolint:containedctx // a table of calls
		cmd  *process.Command
		want error
	}{
		{"done ctx", done, nothing.Command(struct{}{}), context.Canceled},
		{"negative grace", t.Context(), negative, fs.ErrInvalid},
		{"name with NUL", t.Context(), nul, fs.ErrInvalid},
		{"zero command", t.Context(), new(process.Command), fs.ErrInvalid},
		{"missing directory", t.Context(), nowhere, fs.ErrNotExist},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			leaks := noLeaks(t)
			child, err := test.cmd.Start(test.ctx)
			if child != nil || !errors.Is(err, test.want) {
				t.Errorf("Start: %v, %v; want %v", child, err, test.want)
			}
			if n := len(process.Children()); n != 0 {
				t.Errorf("%d children are left", n)
			}
			leaks()
		})
	}
}
