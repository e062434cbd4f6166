// Package ctl holds the commands of shmctl. They use nothing but the public
// surface of package shm. The ones that look open segments read-only: they take
// no lock, join nothing and change no byte, so they answer while every process
// of an application hangs.
package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/shoal-ipc/shoal/shm"
)

// Exit codes.
const (
	ExitOK      = 0
	ExitFailed  = 1 // an operation failed; the reason is on standard error
	ExitUsage   = 2 // the command line makes no sense
	ExitProblem = 3 // check found corruption, rm found users, doctor found too little
)

// Streams is where a command writes.
type Streams struct {
	Out io.Writer // results
	Err io.Writer // everything else
}

// Run runs the command that args name, without the program's name, and returns
// the exit code. When ctx is done it gives up what it waits for.
func Run(ctx context.Context, args []string, streams Streams) int {
	a := &app{streams: streams}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		if exit.err != nil {
			a.complain(exit.err)
		}
		return exit.code
	}
	a.complain(err)
	return ExitFailed
}

// exitError ends the program with a code. A nil err says nothing more: all was
// said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return fmt.Sprintf("exit %d: %v", e.code, e.err) }

func (e *exitError) Unwrap() error { return e.err }

// app is one run of shmctl.
type app struct {
	streams Streams
	dir     string
	json    bool
	timeout time.Duration
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "shmctl",
		Short: "Show, check and clean shared memory segments",
		Long: "Show, check and clean the shared memory segments of Shoal.\n\n" +
			"ls, inspect and check only look: they take no lock and change no byte, so they\n" +
			"answer while the applications hang.\n\n" +
			"Exit codes: 0 done; 1 failed; 2 wrong usage; 3 a problem was found (check: corruption;\n" +
			"rm: the segment is in use; doctor: this machine cannot run Shoal).",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			c.SetOut(a.streams.Err)
			return &exitError{ExitUsage, c.Help()}
		},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{ExitUsage, err} })
	flags := root.PersistentFlags()
	flags.StringVar(&a.dir, "dir", "", "folder of the segments (default $SHOAL_DIR, else /dev/shm)")
	flags.BoolVar(&a.json, "json", false, "print JSON for programs")
	flags.DurationVar(&a.timeout, "timeout", 5*time.Second, "give up waiting for a segment after this time")
	_ = root.MarkPersistentFlagDirname("dir") // fails only for a flag that is not there
	root.AddCommand(a.ls(), a.inspect(), a.clean(), a.rm(), a.check(), a.doctor())
	return root
}

// usage makes the errors of an argument check usage errors.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &exitError{ExitUsage, err}
		}
		return nil
	}
}

func (a *app) complain(err error) {
	_, _ = io.WriteString(a.streams.Err, "shmctl: "+printable(err.Error())+"\n")
}

// folder is where segments are looked for, as package shm chooses it.
func (a *app) folder() string {
	if a.dir != "" {
		return a.dir
	}
	if dir := os.Getenv("SHOAL_DIR"); dir != "" {
		return dir
	}
	return "/dev/shm"
}

// user says how to open segments as a participant.
func (a *app) user() *shm.Options { return &shm.Options{Dir: a.dir, AnyOwner: true} }

// look opens a segment to look at it, for as long as f runs.
func (a *app) look(ctx context.Context, name string, f func(*shm.Segment) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	seg, err := shm.Open(ctx, name, &shm.Options{Dir: a.dir, AnyOwner: true, ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(f(seg), seg.Close())
}

// completeSegments offers the names of segments, for the arguments that take one.
func (a *app) completeSegments(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	names, err := shm.List(a.user())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	left := names[:0]
	for _, n := range names {
		if !slices.Contains(args, n) {
			left = append(left, n)
		}
	}
	return left, cobra.ShellCompDirectiveNoFileComp
}
