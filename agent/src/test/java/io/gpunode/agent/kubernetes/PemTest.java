package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.net.Pem;
import java.io.IOException;
import java.nio.file.Files;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PemTest {
    private static String fixture(String name) throws IOException {
        return Files.readString(FakeApiServer.FIXTURES.resolve(name));
    }

    @ParameterizedTest
    @CsvSource({
        "admin-pkcs1.key, admin.pem, SHA256withRSA",
        "admin-pkcs8.key, admin.pem, SHA256withRSA",
        "kubelet-sec1.pem, kubelet-sec1.pem, SHA384withECDSA",
        "kubelet-pkcs8.key, kubelet-sec1.pem, SHA384withECDSA",
    })
    void everyFormOfAKeyBelongsToItsCertificate(String key, String certificate, String algorithm) throws Exception {
        // When
        PrivateKey read = Pem.privateKey(fixture(key), key);

        // Then
        Signature signer = Signature.getInstance(algorithm);
        signer.initSign(read);
        signer.update(new byte[] {1, 2, 3});
        PublicKey counterpart =
                Pem.certificates(fixture(certificate), certificate).getFirst().getPublicKey();
        Signature verifier = Signature.getInstance(algorithm);
        verifier.initVerify(counterpart);
        verifier.update(new byte[] {1, 2, 3});
        assertThat(verifier.verify(signer.sign())).isTrue();
    }

    @Test
    void allCertificatesOfAChainAreRead() throws Exception {
        // When
        var chain = Pem.certificates("noise\n" + fixture("admin.pem") + "\n" + fixture("ca.pem"), "chain.pem");

        // Then
        assertThat(chain).hasSize(2);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "-----BEGIN PRIVATE KEY",
                "-----BEGIN PRIVATE KEY-----\nAAAA\n",
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "-----BEGIN EC PRIVATE KEY-----\nMIGk\n-----END EC PRIVATE KEY-----\n",
                "-----BEGIN EC PRIVATE KEY-----\n\n-----END EC PRIVATE KEY-----\n",
                "-----BEGIN RSA PRIVATE KEY-----\n%%%\n-----END RSA PRIVATE KEY-----\n",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
            })
    void aKeyThatIsNoneIsRefusedWithItsPlace(String pem) {
        // When / Then
        assertThatThrownBy(() -> Pem.privateKey(pem, "some.key"))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("some.key");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"})
    void aCertificateThatIsNoneIsRefusedWithItsPlace(String pem) {
        // When / Then
        assertThatThrownBy(() -> Pem.certificates(pem, "some.pem"))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("some.pem");
    }
}
