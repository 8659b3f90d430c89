import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Sends so many bytes to a URL, so many times, and says what is answered. Run as "java
 * Http2Upload.java CA URL SIZE TIMES".
 */
class Http2Upload {
    public static void main(String[] given) throws Exception {
        HttpClient client = HttpClient.newBuilder().sslContext(trusting(given[0])).build();
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(given[1]))
                        .timeout(Duration.ofSeconds(10))
                        .POST(BodyPublishers.ofByteArray(new byte[Integer.parseInt(given[2])]))
                        .build();
        for (int time = 0; time < Integer.parseInt(given[3]); time++) {
            var answer = client.send(request, BodyHandlers.ofString());
            System.out.println(answer.version() + " " + answer.statusCode() + " " + answer.body());
        }
    }

    static SSLContext trusting(String authority) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (FileInputStream file = new FileInputStream(authority)) {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            trusted.setCertificateEntry("authority", factory.generateCertificate(file));
        }
        TrustManagerFactory managers =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }
}
