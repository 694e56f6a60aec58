// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// Notifier tells a service manager what becomes of the daemon, by datagrams to a socket of
// the manager's; see sd_notify(3). It is safe for concurrent use.
type Notifier struct {
	conn     *net.UnixConn
	watchdog time.Duration // how long the manager waits for a sign of life; 0 for ever
}

// notifyTimeout bounds how long the manager may take nothing: the daemon does not wait for it.
const notifyTimeout = time.Second

// NewNotifier returns the Notifier that the variables of a service manager ask for
// (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID), nil if they ask for none. The variables
// should be unset afterwards, so that children do not speak for the daemon.
func NewNotifier(getenv func(string) string, pid int) (*Notifier, error) {
	at := getenv("NOTIFY_SOCKET")
	if at == "" {
		return nil, nil //nolint:nilnil // nobody wants to know
	}
	if at[0] != '/' && at[0] != '@' || len(at) < 2 {
		return nil, status.Errorf(status.InvalidArgument, "NOTIFY_SOCKET=%q is neither a path nor an abstract name", at)
	}
	watchdog, err := watchdogTime(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), pid)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		return nil, status.Errorf(status.Unavailable, "the service manager is not at NOTIFY_SOCKET=%s: %w", at, err)
	}
	return &Notifier{conn: conn, watchdog: watchdog}, nil
}

// watchdogTime returns how long a manager waits for a sign of life of process pid.
func watchdogTime(usec, to string, pid int) (time.Duration, error) {
	if usec == "" || to != "" && to != strconv.Itoa(pid) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(24*time.Hour/time.Microsecond) {
		return 0, status.Errorf(status.InvalidArgument, "WATCHDOG_USEC=%q is no time of up to a day, in microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// tell sends assignments such as "READY=1", in one datagram.
func (n *Notifier) tell(assignments ...string) error {
	if n == nil {
		return nil
	}
	if err := n.conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return err
	}
	_, err := n.conn.Write([]byte(strings.Join(assignments, "\n")))
	return err
}

// Close closes the socket.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	return n.conn.Close()
}

// notify tells the manager, and the log if that fails: the daemon serves all the same.
func (d *Daemon) notify(assignments ...string) {
	if err := d.cfg.Notify.tell(assignments...); err != nil {
		d.log.Warn("the service manager was not told", "what", assignments[0], "error", err.Error())
	}
}

// state is what a person who looks at the service sees.
func (d *Daemon) state() string {
	st := d.hub.Status() // answers only if the hub is alive
	return fmt.Sprintf("STATUS=hub %s: %d sessions, %d channels, %d methods", st.ID, st.Sessions, st.Channels, st.Methods)
}

// watch gives the manager's watchdog signs of life, twice as often as it wants them, until ctx
// ends. A hub that does not answer gives none.
func (d *Daemon) watch(ctx context.Context) {
	n := d.cfg.Notify
	if n == nil || n.watchdog == 0 {
		return
	}
	tick := time.NewTicker(n.watchdog / 2)
	defer tick.Stop()
	for {
		d.notify("WATCHDOG=1", d.state())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
