// Asks for jobs and reads what comes of them, with RabbitMQ's amqp-client (5.0 or newer, Java 17 or newer):
//
//     java -cp amqp-client.jar:slf4j-api.jar StartJob.java REQUEST.json
//
// The request was written down, with its requestId, before anything is sent: as long as no confirm has come, the same
// one is sent again. Ends with 0 if all its jobs are Successful, with 1 if not, with 4 without the broker. What it
// needs of an event stands in the headers and the routing key, so that no JSON library is needed here.

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;

public class StartJob {
    static final String PREFIX = System.getenv().getOrDefault("JOBRELAY_PREFIX", "jobrelay");
    static final String QUEUE = System.getenv().getOrDefault("EVENTS_QUEUE", "my-service.jobrelay-events");
    static final Set<String> FINAL =
            Set.of("job.state.successful", "job.state.faulted", "job.state.stopped", "job.tracking-expired");
    static final Set<String> REFUSED = Set.of("request.rejected", "request.cancelled");
    static final int CONFIRM_WITHIN_MS = 10_000;
    static final int TRIES = 30;
    static final String NO_CONNECTION = "error: no connection to the broker (%s);"
            + " check JOBRELAY_AMQP_URL, and run this again with the same file: its requestId starts nothing twice%n";
    static final String NO = "error: the broker refuses it (%s);"
            + " check JOBRELAY_PREFIX, that a worker was started with it, and the rights of this user%n";

    /** The broker's no, or a request that came back. */
    static class Refused extends Exception {
        Refused(String why) {
            super(why);
        }
    }

    public static void main(String[] arguments) throws Exception {
        byte[] request = Files.readAllBytes(Path.of(arguments[0]));
        var named = Pattern.compile("\"requestId\"\\s*:\\s*\"([A-Za-z0-9._:-]+)\"")
                .matcher(new String(request, StandardCharsets.UTF_8));
        if (!named.find()) {
            throw new IllegalArgumentException("the request has no requestId");
        }
        String requestId = named.group(1);
        ConnectionFactory broker = new ConnectionFactory();
        broker.setUri(System.getenv().getOrDefault("JOBRELAY_AMQP_URL", "amqp://guest:guest@localhost"));
        try {
            System.exit(run(broker, requestId, request) ? 0 : 1);
        } catch (Refused refused) {
            System.err.printf(NO, refused.getMessage());
            System.exit(1);
        } catch (IOException | TimeoutException | ShutdownSignalException lost) {
            System.err.printf(NO_CONNECTION, lost);
            System.exit(4);
        }
    }

    /** Whether all jobs of the request ended well. */
    static boolean run(ConnectionFactory broker, String requestId, byte[] request) throws Exception {
        try (Connection connection = broker.newConnection()) {
            Channel channel = connection.createChannel();
            channel.basicQos(50);
            bind(channel);
            publish(broker, requestId, request);
            Events events = new Events(channel, requestId);
            channel.basicConsume(QUEUE, false, events);
            return events.end.get();
        } catch (ExecutionException lost) {
            throw new IOException(lost.getCause());
        }
    }

    static void bind(Channel channel) throws IOException, Refused {
        try {
            // Durable, and there before the request is sent: what is told while nobody reads is kept.
            channel.queueDeclare(QUEUE, true, false, false, Map.of("x-queue-type", "quorum"));
            for (String key : new String[] {"job.#", "request.#"}) {
                channel.queueBind(QUEUE, PREFIX + ".events", key);
            }
        } catch (IOException no) {
            if (no.getCause() instanceof ShutdownSignalException closed && !closed.isHardError()) {
                throw new Refused(((AMQP.Channel.Close) closed.getReason()).getReplyText());
            }
            throw no;
        }
    }

    /** Returns when the broker has the request. It may have it twice then, which starts nothing twice. */
    static void publish(ConnectionFactory broker, String requestId, byte[] request) throws Exception {
        for (int attempt = 0; attempt < TRIES; attempt++) {
            try (Connection connection = broker.newConnection()) {
                publishOnce(connection.createChannel(), broker.getUsername(), requestId, request);
                return;
            } catch (IOException | TimeoutException | ShutdownSignalException lost) {
                System.err.println("no confirm (" + lost + "): the same request is sent again");
                Thread.sleep(1000);
            }
        }
        throw new TimeoutException("no confirm in " + TRIES + " tries");
    }

    static void publishOnce(Channel channel, String user, String requestId, byte[] request)
            throws IOException, TimeoutException, InterruptedException, Refused {
        AtomicBoolean returned = new AtomicBoolean();
        channel.addReturnListener((code, why, exchange, key, properties, body) -> returned.set(true));
        channel.confirmSelect();
        BasicProperties properties = new BasicProperties.Builder()
                .contentType("application/json")
                .deliveryMode(2)
                .correlationId(requestId)
                .messageId(requestId)
                .userId(user) // the broker checks it: a deployment may have rules on who may start what
                .build();
        channel.basicPublish(PREFIX + ".requests", "job.start", true, properties, request);
        channel.waitForConfirmsOrDie(CONFIRM_WITHIN_MS);
        if (returned.get()) { // it comes before the confirm
            throw new Refused("the request came back: there is no queue for it");
        }
    }

    /** Shows the events of the request until its last job has ended. */
    static class Events extends DefaultConsumer {
        final CompletableFuture<Boolean> end = new CompletableFuture<>();
        final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        final Set<String> seen = new HashSet<>();
        final Set<String> running = new HashSet<>();
        final String requestId;
        boolean well = true;

        Events(Channel channel, String requestId) {
            super(channel);
            this.requestId = requestId;
        }

        @Override
        public void handleDelivery(String tag, Envelope envelope, BasicProperties properties, byte[] body)
                throws IOException {
            if (end.isDone()) {
                return; // not acknowledged: it is for the next reader
            }
            boolean ours = requestId.equals(properties.getCorrelationId());
            String key = envelope.getRoutingKey();
            // An event may come twice: its id is always the same.
            if (ours && seen.add(String.valueOf(properties.getHeaders().get("cloudEvents_id")))) {
                String job = String.valueOf(properties.getHeaders().get("cloudEvents_subject"));
                Object time = properties.getHeaders().get("cloudEvents_time");
                out.println(time + " " + key + " " + new String(body, StandardCharsets.UTF_8));
                if (key.equals("job.created")) {
                    running.add(job);
                } else if (FINAL.contains(key)) {
                    running.remove(job);
                    well &= key.equals("job.state.successful");
                }
            }
            getChannel().basicAck(envelope.getDeliveryTag(), false); // when what it means has been written down
            if (ours && over(key)) {
                end.complete(well && !REFUSED.contains(key));
            }
        }

        @Override
        public void handleShutdownSignal(String tag, ShutdownSignalException lost) {
            end.completeExceptionally(lost);
        }

        /** Whether an event is the last one: all job.created of a request come before the first job.state. */
        boolean over(String key) {
            if (key.equals("request.duplicate")) {
                return running.isEmpty(); // an earlier run asked already, and has read its events
            }
            return REFUSED.contains(key) || (key.startsWith("job.") && running.isEmpty());
        }
    }
}
