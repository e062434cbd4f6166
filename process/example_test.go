//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/shoal-ipc/shoal/process"
)

// greet runs in a child. main, or as here TestMain, begins with process.Main.
var greet = process.Func("greet", func(_ context.Context, name string) error {
	if name == "" {
		return errNobody
	}
	_, err := fmt.Println("hello", name)
	return err
})

var errNobody = errors.New("nobody to greet")

func Example() {
	if err := greet.Run(context.Background(), "world"); err != nil {
		fmt.Println(err)
	}
	// Output: hello world
}

// Errors of the child are found by errors.Is and errors.As, also its own
// sentinels.
func ExampleExitError() {
	cmd := greet.Command("")
	cmd.Name = "greeter"
	cmd.Stderr = io.Discard // where the child prints its error too
	err := cmd.Run(context.Background())
	if exit, ok := errors.AsType[*process.ExitError](err); ok {
		fmt.Println(exit.Name, "ended with code", exit.Code)
	}
	fmt.Println(errors.Is(err, errNobody))
	// Output:
	// greeter ended with code 1
	// true
}
