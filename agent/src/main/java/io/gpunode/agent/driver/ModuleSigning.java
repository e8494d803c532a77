package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.Driver.SignatureHash;
import io.gpunode.agent.net.Pem;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.ModuleFile;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Signs kernel modules with the operator's key (Linux, {@code Documentation/admin-guide/module-signing.rst}): by the kernel's {@code sign-file} where the headers have
 * it, by Ubuntu's {@code kmodsign}, else by {@code openssl}. Whether the kernel will take the signature is checked before anything is built, and with that long
 * before anything is unloaded.
 */
final class ModuleSigning {
    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final int OUTPUT_LIMIT = 16 << 10;
    private static final int KEY_LIMIT = 256 << 10;
    private static final int CONFIG_LIMIT = 4 << 20;
    private static final HexFormat HEX = HexFormat.of();
    private static final String SUBJECT_KEY_IDENTIFIER = "2.5.29.14";
    private static final byte[] MAGIC = "~Module signature appended~\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte PKCS7 = 2;
    /**
     * The firmware's keys and, before 5.18, those that are enrolled with mokutil: the kernels of Debian, Ubuntu, Fedora and Red Hat check modules against them, others do
     * not, and which it is cannot be seen.
     */
    private static final String PLATFORM = ".platform";
    /** Of an identifier, at least. */
    private static final int SHOWN_DIGITS = 8;

    /** Certificates that DKMS signs with by itself: Ubuntu's, dkms's own, Fedora's akmods'. */
    private static final List<String> OF_DKMS = List.of(
            "/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub", "/etc/pki/akmods/certs/public_key.der");

    private final HostFiles files;
    private final CommandRunner commands;
    private final HostCommands host;
    private final AgentConfig.Driver.Signing settings;
    private final X509Certificate certificate;

    private ModuleSigning(
            HostFiles files, CommandRunner commands, AgentConfig.Driver.Signing settings, X509Certificate certificate) {
        this.files = files;
        this.commands = commands;
        this.host = new HostCommands(files);
        this.settings = settings;
        this.certificate = certificate;
    }

    /**
     * Reads key and certificate, and looks whether this boot will take what they sign.
     *
     * @return empty when modules stay unsigned, which this boot then takes
     */
    static Optional<ModuleSigning> open(
            HostFiles files, CommandRunner commands, AgentConfig.Driver.Signing settings, BootSecurity security)
            throws DriverSourceException {
        if (settings.key().isEmpty() && settings.certificate().isEmpty()) {
            if (security.refusesUnsigned()) {
                throw unusable("this kernel refuses modules that nobody has signed (" + why(security)
                        + "): name a key and its certificate in driver.signing.key and driver.signing.certificate, or use a"
                        + " source with modules that are signed");
            }
            return Optional.empty();
        }
        if (settings.key().isEmpty() || settings.certificate().isEmpty()) {
            throw unusable("driver.signing.key and driver.signing.certificate belong together, and "
                    + (settings.key().isEmpty() ? "the key" : "the certificate") + " is missing");
        }
        X509Certificate certificate = certificate(files, settings.certificate());
        checkPair(files, settings, certificate);
        ModuleSigning signing = new ModuleSigning(files, commands, settings, certificate);
        signing.checkTrusted(security);
        return Optional.of(signing);
    }

    private static String why(BootSecurity security) {
        return security.enforced()
                ? "signatures are enforced"
                : "lockdown is " + security.lockdown()
                        + (security.secureBoot() == BootSecurity.SecureBoot.ON ? ", Secure Boot is on" : "");
    }

    private static DriverSourceException unusable(String message) {
        return new DriverSourceException(DriverSourceException.Kind.UNUSABLE, message);
    }

    private static X509Certificate certificate(HostFiles files, String name) throws DriverSourceException {
        byte[] bytes = bytes(files, name);
        try {
            // In PEM or in DER: the factory takes both.
            return (X509Certificate)
                    CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(bytes));
        } catch (CertificateException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE,
                    "driver.signing.certificate: " + name + " is no X.509 certificate: " + e.getMessage(),
                    e);
        }
    }

    private static byte[] bytes(HostFiles files, String name) throws DriverSourceException {
        Path file = Path.of(name);
        try (var in = Files.newInputStream(files.resolve(file))) {
            byte[] bytes = in.readNBytes(KEY_LIMIT + 1);
            if (bytes.length > KEY_LIMIT) {
                throw unusable(name + " is longer than any key");
            }
            return bytes;
        } catch (NoSuchFileException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE, "driver.signing: there is no file " + name, e);
        } catch (IOException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE,
                    "driver.signing: " + name + " cannot be read: " + e.getMessage(),
                    e);
        }
    }

    /** {@code sign-file} does not look whether they belong together: the kernel would, at the time of loading. */
    private static void checkPair(HostFiles files, AgentConfig.Driver.Signing settings, X509Certificate certificate)
            throws DriverSourceException {
        String text = new String(bytes(files, settings.key()), StandardCharsets.ISO_8859_1);
        if (text.contains("ENCRYPTED")) {
            throw unusable(
                    "driver.signing.key: " + settings.key()
                            + " is encrypted, and nobody is there to type its password; give a key without one, readable by root only");
        }
        try {
            PrivateKey key = Pem.privateKey(text, settings.key());
            String algorithm = switch (key.getAlgorithm()) {
                case "RSA" -> "SHA256withRSA";
                case "EC" -> "SHA256withECDSA";
                default ->
                    throw unusable("driver.signing.key: " + settings.key() + " is a key of the kind "
                            + key.getAlgorithm() + "; kernels take RSA, and newer ones elliptic curves");
            };
            if (!key.getAlgorithm().equals(certificate.getPublicKey().getAlgorithm())) {
                throw foreign(settings);
            }
            byte[] trial = MAGIC;
            Signature sign = Signature.getInstance(algorithm);
            sign.initSign(key);
            sign.update(trial);
            byte[] made = sign.sign();
            Signature verify = Signature.getInstance(algorithm);
            verify.initVerify(certificate.getPublicKey());
            verify.update(trial);
            if (!verify.verify(made)) {
                throw foreign(settings);
            }
        } catch (IOException | GeneralSecurityException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE,
                    "driver.signing.key: " + settings.key() + " is no private key in PEM: " + e.getMessage(),
                    e);
        }
    }

    private static DriverSourceException foreign(AgentConfig.Driver.Signing settings) {
        return unusable("the certificate " + settings.certificate() + " is not that of the key " + settings.key()
                + ": the kernel would refuse what they sign");
    }

    private void checkTrusted(BootSecurity security) throws DriverSourceException {
        if (security.refusesUnsigned() && security.keysReadable() && !isKnown(certificate, security)) {
            throw unusable("this kernel takes only modules that are signed with a key it trusts (" + why(security)
                    + "), and it does not have the certificate " + settings.certificate() + " ("
                    + certificate.getSubjectX500Principal().getName() + ", SHA-256 " + fingerprint()
                    + "). Enrol it: mokutil --import with the certificate in DER, reboot, and confirm on the console; nothing was"
                    + " changed");
        }
    }

    /**
     * Looks whether this boot takes a module that is signed already, as far as that can be told before it is loaded: a signature names its certificate by
     * issuer and serial number, the kernel's keyrings show theirs by subject and key identifier. So the certificate itself is looked for where this agent and DKMS
     * have it; of one that lies nowhere, the load tells.
     *
     * @throws DriverSourceException when the kernel is known not to have the certificate
     */
    static void checkTrusted(
            HostFiles files,
            AgentConfig.Driver.Signing settings,
            BootSecurity security,
            Path module,
            ModuleFile.Signature signature)
            throws DriverSourceException {
        if (!security.refusesUnsigned()
                || !security.keysReadable()
                || signature.key().isEmpty()) {
            return;
        }
        List<String> names = new ArrayList<>(OF_DKMS);
        if (!settings.certificate().isEmpty()) {
            names.addFirst(settings.certificate());
        }
        for (String name : names) {
            X509Certificate certificate;
            try {
                certificate = certificate(files, name);
            } catch (DriverSourceException e) {
                // Not here, or none that anything could be told by.
                continue;
            }
            boolean its = plain(signature.key()).equals(plain(hex(certificate.getSerialNumber())))
                    || signature.key().equals(keyIdentifier(certificate));
            if (its && !isKnown(certificate, security)) {
                throw unusable(module + " is signed with the certificate " + name + " ("
                        + certificate.getSubjectX500Principal().getName() + ", SHA-256 " + fingerprint(certificate)
                        + "), which this kernel does not have (" + why(security) + "). Enrol it: mokutil --import "
                        + name + ", reboot, and confirm on the console; nothing was changed");
            }
        }
    }

    /**
     * Whether the kernel has a certificate where it may look for those of modules. It shows it by its subject key identifier, and by its serial number where it has
     * none.
     */
    private static boolean isKnown(X509Certificate certificate, BootSecurity security) {
        String identifier = keyIdentifier(certificate);
        String serial = plain(hex(certificate.getSerialNumber()));
        for (BootSecurity.TrustedKey key : security.keys()) {
            String shown = key.identifier();
            boolean same = identifier.isEmpty()
                    ? plain(shown).equals(serial) && isOf(key.description(), certificate)
                    // Some kernels show the end of it only; fewer digits are no identity.
                    : shown.length() >= SHOWN_DIGITS && identifier.endsWith(shown);
            if (same && (key.forModules() || key.keyring().equals(PLATFORM))) {
                return true;
            }
        }
        return false;
    }

    /** Serial numbers are nobody's alone: the common name must be the key's, too. */
    private static boolean isOf(String description, X509Certificate certificate) {
        String subject = certificate.getSubjectX500Principal().getName();
        for (String part : subject.split(",", -1)) {
            if (part.startsWith("CN=")) {
                return description.contains(part.substring(3));
            }
        }
        return true;
    }

    private static String plain(String digits) {
        int begin = 0;
        while (begin < digits.length() - 1 && digits.charAt(begin) == '0') {
            begin++;
        }
        return digits.substring(begin);
    }

    /** In lower-case hexadecimal digits; empty for a certificate without one. */
    private static String keyIdentifier(X509Certificate certificate) {
        byte[] extension = certificate.getExtensionValue(SUBJECT_KEY_IDENTIFIER);
        // An octet string in an octet string, both of less than 128 bytes.
        return extension != null && extension.length > 4 ? HEX.formatHex(extension, 4, extension.length) : "";
    }

    private static String hex(BigInteger number) {
        String digits = number.toString(16).toLowerCase(Locale.ROOT);
        return digits.length() % 2 == 0 ? digits : "0" + digits;
    }

    /** SHA-256 of the certificate, 64 lower-case hexadecimal digits: the name of the key in the store. */
    String fingerprint() {
        return fingerprint(certificate);
    }

    private static String fingerprint(X509Certificate certificate) {
        try {
            return HEX.formatHex(DriverManifest.sha256().digest(certificate.getEncoded()));
        } catch (CertificateException e) {
            throw new IllegalStateException("a certificate that was read has bytes", e);
        }
    }

    /**
     * Signs a module in its place, and looks whether it is signed then.
     *
     * @param module as the host sees it
     * @param headers build directory of the kernel, as the host sees it
     */
    void sign(Path module, Path headers) throws DriverSourceException, IOException, InterruptedException {
        String hash = hash(headers);
        Path signFile = headers.resolve("scripts/sign-file");
        if (files.exists(signFile)) {
            run(List.of(signFile.toString(), hash, settings.key(), settings.certificate(), module.toString()), module);
        } else if (host.has("kmodsign")) {
            run(List.of("kmodsign", hash, settings.key(), settings.certificate(), module.toString()), module);
        } else if (host.has("openssl")) {
            byOpenssl(module, hash);
        } else {
            throw new DriverSourceException(
                    DriverSourceException.Kind.TOOLS,
                    "modules cannot be signed: there is neither " + signFile + " nor kmodsign nor openssl");
        }
        ModuleFile signed = ModuleFile.read(files, module, commands);
        if (signed.signature().isEmpty()) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.FAILED,
                    module.getFileName() + " was signed without an error, and has no signature");
        }
    }

    private String hash(Path headers) throws IOException {
        if (settings.hash() != SignatureHash.AUTO) {
            return settings.hash().name().toLowerCase(Locale.ROOT);
        }
        String config = files.readText(headers.resolve(".config"), CONFIG_LIMIT).orElse("");
        String word = "CONFIG_MODULE_SIG_HASH=\"";
        int at = config.indexOf(word);
        int end = at < 0 ? -1 : config.indexOf('"', at + word.length());
        String hash = end < 0 ? "" : config.substring(at + word.length(), end);
        return hash.matches("sha(224|256|384|512)") ? hash : "sha256";
    }

    private void byOpenssl(Path module, String hash) throws DriverSourceException, IOException, InterruptedException {
        Path blob = module.resolveSibling(module.getFileName() + ".p7s");
        String form =
                new String(bytes(files, settings.certificate()), StandardCharsets.ISO_8859_1).contains("-----BEGIN")
                        ? "PEM"
                        : "DER";
        Path pem = module.resolveSibling(module.getFileName() + ".pem");
        if (form.equals("DER")) {
            run(
                    List.of("openssl", "x509", "-inform", "DER", "-in", settings.certificate(), "-out", pem.toString()),
                    module);
        }
        run(
                List.of(
                        "openssl",
                        "cms",
                        "-sign",
                        "-binary",
                        "-noattr",
                        "-nocerts",
                        "-nosmimecap",
                        "-md",
                        hash,
                        "-signer",
                        form.equals("DER") ? pem.toString() : settings.certificate(),
                        "-inkey",
                        settings.key(),
                        "-in",
                        module.toString(),
                        "-outform",
                        "DER",
                        "-out",
                        blob.toString()),
                module);
        byte[] signature = Files.readAllBytes(files.resolve(blob));
        ByteBuffer descriptor = ByteBuffer.allocate(12);
        descriptor.put(2, PKCS7).putInt(8, signature.length);
        try (OutputStream out = Files.newOutputStream(files.resolve(module), StandardOpenOption.APPEND)) {
            out.write(signature);
            out.write(descriptor.array());
            out.write(MAGIC);
        }
        FileTrees.delete(files.resolve(blob));
        FileTrees.delete(files.resolve(pem));
    }

    private void run(List<String> command, Path module)
            throws DriverSourceException, IOException, InterruptedException {
        CommandRunner.Result result = commands.run(host.command(command), LIMIT, OUTPUT_LIMIT);
        if (!result.ok()) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.FAILED,
                    "signing " + module.getFileName() + " failed: " + command.getFirst()
                            + (result.timedOut()
                                    ? " did not end in " + LIMIT.toSeconds() + " seconds"
                                    : " ended with status " + result.status() + ": "
                                            + result.error().strip()));
        }
    }
}
