// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"

	"github.com/eclipse/paho.golang/paho"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func mosquitto() lab.System {
	return lab.System{
		Name: "Mosquitto", About: "MQTT 5 with paho.golang, QoS 0, no limits of queues, nothing stored",
		Module: "github.com/eclipse/paho.golang", Program: "mosquitto", Package: "mosquitto", Schemes: []string{"unix", "tcp"}, Cannot: cannot(),
		Hub: mqttHub, Provide: mqttProvide, Dial: mqttDial, Subscribe: mqttSubscribe, Publish: mqttPublish,
	}
}

func mqttHub(j lab.Job) error {
	scheme, rest := lab.Split(j.At)
	listener := "0 " + rest
	if scheme == "tcp" {
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			return err
		}
		listener = port + " " + host
	}
	config := fmt.Sprintf("listener %s\nallow_anonymous true\nuser root\npersistence false\nlog_type error\nset_tcp_nodelay true\nmax_queued_messages 0\nmax_inflight_messages 0\nmax_queued_bytes 0\n", listener)
	return become(config, "mosquitto", "-c", configuration)
}

// mqttConnect connects; got, if not nil, is told of all that comes, by one goroutine.
func mqttConnect(j lab.Job, name string, got func(*paho.Publish)) (*paho.Client, error) {
	conn, err := lab.Connect(j)
	if err != nil {
		return nil, err
	}
	config := paho.ClientConfig{ClientID: name, Conn: conn}
	if got != nil {
		config.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			got(p.Packet)
			return true, nil
		}}
	}
	c := paho.NewClient(config)
	answer, err := c.Connect(context.Background(), &paho.Connect{ClientID: name, CleanStart: true, KeepAlive: 60})
	if err != nil {
		return nil, err
	}
	if answer.ReasonCode != 0 {
		return nil, fmt.Errorf("mosquitto refuses with code %d", answer.ReasonCode)
	}
	return c, nil
}

func mqttListen(c *paho.Client, topic string) error {
	_, err := c.Subscribe(context.Background(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic}}})
	return err
}

func mqttProvide(j lab.Job) error {
	var c *paho.Client
	ready := make(chan struct{})
	c, err := mqttConnect(j, "provider", func(p *paho.Publish) {
		<-ready
		_, _ = c.Publish(context.Background(), &paho.Publish{
			Topic: p.Properties.ResponseTopic, Payload: p.Payload,
			Properties: &paho.PublishProperties{CorrelationData: p.Properties.CorrelationData},
		})
	})
	if err != nil {
		return err
	}
	close(ready)
	return mqttListen(c, "requests")
}

func mqttDial(j lab.Job) (*lab.Client, error) {
	replies := make([]chan []byte, j.Callers)
	for i := range replies {
		replies[i] = make(chan []byte, 1)
	}
	c, err := mqttConnect(j, "caller", func(p *paho.Publish) {
		replies[binary.LittleEndian.Uint32(p.Properties.CorrelationData)] <- p.Payload
	})
	if err != nil {
		return nil, err
	}
	if err := mqttListen(c, "replies"); err != nil {
		return nil, err
	}
	return &lab.Client{Call: func(i int, request []byte) ([]byte, error) {
		_, err := c.Publish(context.Background(), &paho.Publish{
			Topic: "requests", Payload: request,
			Properties: &paho.PublishProperties{ResponseTopic: "replies", CorrelationData: binary.LittleEndian.AppendUint32(nil, uint32(i))},
		})
		if err != nil {
			return nil, err
		}
		return <-replies[i], nil
	}}, nil
}

func mqttSubscribe(j lab.Job, got func(int, byte, int)) error {
	for i := range j.Subscribers {
		c, err := mqttConnect(j, fmt.Sprint("subscriber", i), func(p *paho.Publish) { got(i, p.Payload[0], 1) })
		if err != nil {
			return err
		}
		if err := mqttListen(c, "ticks"); err != nil {
			return err
		}
	}
	return nil
}

func mqttPublish(j lab.Job) (*lab.Publisher, error) {
	c, err := mqttConnect(j, "publisher", nil)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return &lab.Publisher{Publish: func(m []byte) error {
		_, err := c.Publish(ctx, &paho.Publish{Topic: "ticks", Payload: m})
		return err
	}}, nil
}
