//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/shoal-ipc/shoal/process"
)

// rolePoor tries to start a child with no descriptor left, with one, and so on, and
// prints how that ends; then with the highest descriptor that there is to write to.
func rolePoor() {
	if err := errors.Join(os.Unsetenv(roleVariable), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64})); err != nil {
		fmt.Println(err)
		return
	}
	process.Main()
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	cmd := nothing.Command(struct{}{})
	for _, f := range taken[:20] {
		fmt.Println(tryToStart(cmd))
		_ = f.Close()
	}
	cmd.Stdout = taken[len(taken)-1]
	fmt.Println(tryToStart(cmd))
}

// tryToStart reports whether there were too few descriptors, and what went wrong.
func tryToStart(cmd *process.Command) (tooFew bool, err error) {
	child, err := cmd.Start(context.Background())
	if err == nil {
		err = child.Wait(context.Background())
	}
	return errors.Is(err, syscall.EMFILE), err
}

// Where there are too few descriptors to start a child, that is what Start says,
// however many there are; once there are enough, it starts. A new process needs one
// that is higher than all that it is given.
func TestTooFewDescriptors(t *testing.T) {
	out, err := runRole(t, "poor")
	if err != nil {
		t.Fatal(err, out)
	}
	tries := strings.Split(strings.TrimSpace(out), "\n")
	last := len(tries) - 1
	if !strings.HasPrefix(tries[last], "true ") {
		t.Errorf("with the highest descriptor as output: %s", tries[last])
	}
	tries = tries[:last]
	refused := 0
	for refused < len(tries) && strings.HasPrefix(tries[refused], "true ") {
		refused++
	}
	for _, s := range tries[refused:] {
		if s != "false <nil>" {
			t.Errorf("after %d starts that were refused: %s", refused, s)
		}
	}
	if refused == 0 || refused == len(tries) {
		t.Errorf("of %d starts %d were refused:\n%s", len(tries), refused, out)
	}
}
